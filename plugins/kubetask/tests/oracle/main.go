// Prints when the schedules of Kubernetes are due, as its own library says: the golden file of schedule.rs.
//
// A line is a schedule, a time in UTC and after how many seconds it is due then, and then, and then; or a
// schedule and why it is none.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

const layout = "2006-01-02T15:04:05Z"

var expressions = []string{
	"* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "0 0 * * *", "30 0 * * *", "0 9 * * *",
	"0 9 * * 1-5", "0 9 * * MON-FRI", "15,45 */2 * * *", "5/15 * * * *", "10-40/10 3 * * *",
	"0 1-3 * * *", "30 1 * * *", "0 2 * * *", "0 3 * * *", "59 23 * * *", "0 23 * * *", "15 1,2,3 * * *",
	"0 0 1 * *", "0 0 31 * *", "0 0 29 2 *", "0 0 30 2 *", "0 0 1 jan *", "0 0 1 JAN,jul ?", "0 12 1 */3 *",
	"0 0 1 2-12/5 *", "0 0 * 3,10 0", "0 0 13 * 5", "0 0 13 * FRI", "0 0 13 * *", "0 0 ? * 5", "0 0 13 * ?",
	"0 0 */2 * 5", "0 0 */1 * 5", "0 0 13 * */2", "0 0 13 * */1", "0 0 1-7 * 1", "0 0 1-31 * 1", "0 0 1,15 * 1,3",
	"0 0 31/1 * 0", "0 0 2/10 * 6", "*/7 */5 */3 */2 *", "? ? ? ? ?", "0 0 * * sun", "0 0 * * 0", "0 0 * * 6-6",
	"0 0 * * Sat,Sun", "1,2,,3 4 * * *", "+5 +1 * * *", "*/90 * * * *", "3/90 * * * *", "59/1 23/1 * * *",
	"  0   7\t* * *  ", "0 4 8-14 * *", "0 22 * 11 *", "0-59/20 0-23/6 * * *", "0 0 28-31 2 *", "00 007 * * *",
	"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@every 1h30m", "@every 90s",
	"@every 1.5h", "@every 500ms", "@every 1500ms", "@every -5m", "@every 0", "@every .5m", "@every 24h",
	"@every 1h1m1s1ms1us1ns", "@every 2µs", "@every 1.h", "@every +7s", ", * * * *", "0 , * * *", "0 0 , * 1",
}

// Around the changes of their clocks: at midnight, at two, by half an hour; and zones that never change them.
var places = []struct {
	zone  string
	times []string
}{
	{"UTC", []string{"2026-01-01T00:00:00Z", "2026-02-27T23:59:59Z", "2027-12-31T23:58:31Z"}},
	{"Europe/Berlin", []string{"2026-03-28T22:30:00Z", "2026-03-29T00:59:59Z", "2026-10-24T21:59:00Z", "2026-10-25T00:10:10Z",
		"2026-10-25T01:15:00Z"}},
	{"Europe/London", []string{"2027-03-28T00:30:00Z"}},
	{"America/New_York", []string{"2026-03-08T06:30:00Z", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z"}},
	{"America/St_Johns", []string{"2027-03-14T03:00:00Z", "2026-11-01T04:05:00Z"}},
	{"Atlantic/Azores", []string{"2026-03-29T00:30:00Z", "2026-03-27T17:00:00Z", "2026-10-24T23:30:00Z"}},
	{"America/Santiago", []string{"2026-09-06T03:30:00Z", "2026-04-05T02:30:00Z"}},
	{"Africa/Cairo", []string{"2026-04-23T21:30:00Z", "2026-04-22T10:00:00Z", "2026-10-29T20:30:00Z"}},
	{"Asia/Beirut", []string{"2026-03-28T12:00:00Z", "2026-10-24T20:15:00Z"}},
	{"Australia/Lord_Howe", []string{"2026-10-03T15:00:00Z", "2026-04-04T14:30:00Z"}},
	{"Pacific/Chatham", []string{"2026-09-26T13:00:00Z"}},
	{"Asia/Kolkata", []string{"2028-02-28T18:29:59Z"}},
	{"Asia/Kathmandu", []string{"2026-06-30T18:15:00Z"}},
}

var invalid = []string{
	"", " ", "every day", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *",
	"* * * 13 *", "* * * * 7", "* * * * 8", "a * * * *", "5-1 * * * *", "1-2-3 * * * *", "*/0 * * * *", "*/-3 * * * *",
	"1/2/3 * * * *", "*/x * * * *", "-5 * * * *", "1- * * * *", "* * * foo *", "* * * * L", "* * L * *", "* * * * 5#3",
	"* * 15W * *", "* * * janu *", "mon * * * *", "5-* * * * *", "1.5 * * * *", "0 0 fri-mon * *", "0 0 * * fri-mon",
	"9223372036854775808 * * * *", "@never", "@hourly ", "@Hourly", "@every", "@every ", "@every x", "@every 5", "@every 1d",
	"@every h", "@every 1h 2m", "@every .", "@every 300y", "@every 9999999999h", "@every -", "@every 1h-2m",
	"TZ=Nowhere/Land 0 0 * * *", "CRON_TZ=Mars 0 0 * * *", "TZ=europe/berlin 0 0 * * *", "TZ=UTC", "TZ=UTC ",
	"TZ=UTC @never", " TZ=UTC 0 0 * * *", "TIMEZONE=UTC 0 0 * * *", "TZ=../UTC 0 0 * * *",
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for n, expression := range expressions {
		for m, place := range places {
			if m > 1 && strings.HasPrefix(expression, "@every") {
				break // The zone does not matter.
			}
			schedule := fmt.Sprintf("%s=%s %s", [...]string{"TZ", "CRON_TZ"}[(n+m)%2], place.zone, expression)
			if place.zone == "UTC" {
				schedule = expression
			}
			for _, start := range place.times {
				after(out, schedule, start)
			}
		}
	}
	after(out, "TZ= 0 9 * * *", "2026-01-01T00:00:00Z")
	after(out, "CRON_TZ=Europe/Berlin   @daily", "2026-01-01T00:00:00Z")
	for _, schedule := range invalid {
		if _, err := parse(schedule); err != nil {
			fmt.Fprintf(out, "%q\tinvalid: %s\n", schedule, err)
		} else {
			panic("accepted: " + schedule)
		}
	}
}

func after(out *bufio.Writer, schedule, start string) {
	parsed, err := parse(schedule)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", schedule, err))
	}
	now, err := time.Parse(layout, start)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(out, "%q\t%s", schedule, start)
	for range 4 {
		next := parsed.Next(now)
		if next.IsZero() {
			fmt.Fprint(out, "\tnever")
			break
		}
		fmt.Fprint(out, "\t", int64(next.Sub(now).Seconds()))
		now = next
	}
	fmt.Fprintln(out)
}

// The library panics where a prefix stands alone; Kubernetes refuses that beforehand.
func parse(schedule string) (result cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%s is no schedule", strings.TrimSpace(schedule))
		}
	}()
	return cron.ParseStandard(schedule)
}
