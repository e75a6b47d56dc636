package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsAreKeptAsDialectsReadThem(t *testing.T) {
	choice := Setting{Kind: SettingChoice, Choices: []string{"5", "6"}}
	for _, c := range []struct {
		setting Setting
		in, out any
		ok      bool
	}{
		{Setting{Kind: SettingBool}, true, true, true},
		{Setting{Kind: SettingBool}, "true", nil, false},
		{Setting{Kind: SettingInt}, int64(404), int64(404), true},
		{Setting{Kind: SettingInt}, 1.5, nil, false},
		{Setting{Kind: SettingText}, "a", "a", true},
		{Setting{Kind: SettingText}, int64(1), nil, false},
		{Setting{Kind: SettingTexts}, []any{"a", "b"}, []any{"a", "b"}, true},
		{Setting{Kind: SettingTexts}, []any{"a", int64(1)}, nil, false},
		{Setting{Kind: SettingTexts}, "a", nil, false},
		{Setting{Kind: SettingDuration}, "15m", int64(900), true},
		{Setting{Kind: SettingDuration}, "never", int64(0), true},
		{Setting{Kind: SettingDuration}, int64(900), int64(900), true},
		{Setting{Kind: SettingDuration}, int64(-1), nil, false},
		{Setting{Kind: SettingDuration}, true, nil, false},
		{choice, int64(6), "6", true},
		{choice, "5", "5", true},
		{choice, "7", nil, false},
		{Setting{}, map[string]any{"a": nil}, map[string]any{"a": nil}, true},
	} {
		got, wanted := c.setting.read(c.in)
		if (wanted == "") != c.ok {
			t.Errorf("%v given %v: wanted %q", c.setting, c.in, wanted)
		}
		if c.ok && !cmp.Equal(got, c.out) {
			t.Errorf("%v given %v keeps %#v, want %#v", c.setting, c.in, got, c.out)
		}
	}
}
