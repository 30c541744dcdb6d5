//go:build linux || darwin || freebsd

package main

import "syscall"

// freeIn returns how many bytes we may still write on a folder's disk, and whether it
// can be written to at all.
func freeIn(folder string) (free uint64, writable bool, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return 0, false, err
	}
	const readOnly = 1 // ST_RDONLY, MNT_RDONLY
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Flags)&readOnly == 0, nil
}
