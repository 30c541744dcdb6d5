package alerts

import "testing"

func TestAGistSaysWhatItIsFor(t *testing.T) {
	for _, c := range []struct {
		kind              Kind
		description, want string
	}{
		{KindFull, "Demolition of the warehouse and a seven storey building with 90 homes and shops on the ground floor", "90 homes"},
		{KindFull, "Erection of building to provide 9 no. self-contained flats", "9 flats"},
		{KindFull, "Conversion to two dwellings", "2 homes"},
		{KindChangeOfUse, "Change from an office to a nursery for 40 children", "change of use to nursery"},
		{KindHouseholder, "Single storey rear extension and 3 roof lights", "rear extension"},
		{KindHouseholder, "Loft conversion with rear dormer", "loft conversion"},
		{KindTreesTPO, "Fell one ash", "tree works"},
		{KindAdvert, "2 illuminated fascia signs", "signs"},
		{KindListed, "Internal alterations", "work to a listed building"},
		{KindReserved, "Pursuant to outline", "reserved matters"},
		{"", "", "an application"},
	} {
		if got := English.Gist(&Details{Kind: c.kind, Description: c.description}); got != c.want {
			t.Errorf("%q is %q, want %q", c.description, got, c.want)
		}
	}
}

func TestStreetWordsLeaveOutTownAndPostcode(t *testing.T) {
	for address, want := range map[string]string{
		"14 High Street, London NW1 8NH":              "14 High Street",
		"Flat 2, 40 Bargehouse Lane, London NW1 9LN":  "Flat 2, 40 Bargehouse Lane",
		"Land behind the Old Brewery":                 "Land behind the Old Brewery",
		"The Old Brewery, 3 Wharf Yard, York YO1 1AA": "The Old Brewery, 3 Wharf Yard",
		"23, Mill Lane, York":                         "23, Mill Lane",
		"Rose Cottage, Little Snoring":                "Rose Cottage",
		"":                                            "",
	} {
		if got := StreetWords(address); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}
