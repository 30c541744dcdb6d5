package feed

import (
	"bufio"
	"io"
	"os"
)

// readXLSX reads a sheet of a workbook, the first one unless the adapter names it
// with "records", as a CSV of its cells. Dates are the spreadsheet's own numbers:
// their layout is "excel".
func readXLSX(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	file, err := spool(r)
	if err != nil {
		return err
	}
	defer file.Close()
	book, err := openWorkbook(file)
	if err != nil {
		return err
	}
	defer book.Close()
	sheet := a.Records
	if sheet == "" {
		sheet = book.GetSheetName(0)
	}
	rows, err := book.Rows(sheet)
	if err != nil {
		return broken("the workbook has no sheet %q; it has %s", sheet, excerpt(book.GetSheetList()))
	}
	defer rows.Close()
	line := 0
	return readTable(a, func() (int, []string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return line, nil, broken("the sheet breaks off after row %d: %v", line, err)
			}
			return line, nil, io.EOF
		}
		line++
		cells, err := rows.Columns()
		if err != nil {
			return line, nil, broken("row %d of the sheet cannot be read: %v", line, err)
		}
		return line, cells, nil
	}, func(s string) string { return s }, true, yield)
}

// maxWorkbook is the most bytes that a workbook unpacks to. A spreadsheet has at most
// 1,048,576 rows.
const maxWorkbook = 1 << 30

// spool writes a source to a temporary file, for formats that are read out of
// order. Closing the file removes it.
func spool(r io.Reader) (*spooled, error) {
	file, err := os.CreateTemp("", "sitenotice-feed-*")
	if err != nil {
		return nil, err
	}
	s := &spooled{file}
	if _, err := io.Copy(file, r); err != nil {
		s.Close()
		return nil, broken("the source breaks off: %v", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

type spooled struct{ *os.File }

func (s *spooled) Close() error {
	err := s.File.Close()
	os.Remove(s.Name())
	return err
}
