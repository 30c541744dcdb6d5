package alerts_test

import (
	"reflect"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

// filled returns details whose every field holds something of its own.
func filled(t testing.TB) alerts.Details {
	t.Helper()
	var d alerts.Details
	var fill func(v reflect.Value, name string)
	fill = func(v reflect.Value, name string) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("what stands in " + name)
		case reflect.Slice:
			v.SetBytes([]byte("bytes of " + name))
		case reflect.Float64:
			v.SetFloat(float64(len(name)) + 0.123456789)
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i), v.Type().Field(i).Name)
			}
		default:
			t.Fatalf("the field %s is of a kind that the compact form does not know", name)
		}
	}
	fill(reflect.ValueOf(&d).Elem(), "")
	return d
}

func TestCompactFormHoldsEveryField(t *testing.T) {
	d := filled(t)
	staged := []alerts.Staged{
		{Ord: 7, Hash: "abc", Record: alerts.Record{SourceKey: "K1", Authority: "village", Supplied: alerts.FieldSite | alerts.FieldReference, Details: d}},
		{Ord: 8, Record: alerts.Record{SourceKey: "K2"}},
	}
	var b []byte
	for i := range staged {
		b = staged[i].AppendCompact(b)
	}
	rest := b
	for _, want := range staged {
		var got alerts.Staged
		var err error
		if rest, err = got.ReadCompact(rest); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes are left over", len(rest))
	}
	for n := range b {
		var s alerts.Staged
		if rest, err := s.ReadCompact(b[:n]); err == nil {
			if _, err = s.ReadCompact(rest); err == nil {
				t.Fatalf("%d of %d bytes are taken for two records", n, len(b))
			}
		}
	}
}

// Each field that is stored makes another hash; a position only beyond a metre.
func TestHashCoversEveryField(t *testing.T) {
	full := filled(t)
	seen := map[string]string{alerts.Record{Details: full}.Hash(): "nothing"}
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				walk(v.Field(i), v.Type().Field(i).Name)
			}
			return
		}
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		v.SetZero()
		hash := alerts.Record{Details: full}.Hash()
		if other, ok := seen[hash]; ok {
			t.Errorf("without %s the hash is that without %s", name, other)
		}
		seen[hash] = name
		v.Set(was)
	}
	walk(reflect.ValueOf(&full).Elem(), "")
	near := full
	near.Site.Lon += 0.000_000_1
	if (alerts.Record{Details: near}).Hash() != (alerts.Record{Details: full}).Hash() {
		t.Error("a centimetre makes another record")
	}
	if (alerts.Record{Authority: "x", Details: full}).Hash() == (alerts.Record{Details: full}).Hash() || (alerts.Record{Supplied: 1, Details: full}).Hash() == (alerts.Record{Details: full}).Hash() {
		t.Error("the authority or what is supplied makes no difference")
	}
}
