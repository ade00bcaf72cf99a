// Command csvrecord splits JSON strings, one a line, as spiffe-helper splits cmd_args.
package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		reader := csv.NewReader(strings.NewReader(text))
		reader.Comma = ' '
		record, err := reader.Read()
		if err != nil {
			record = nil // which is what a refusal is told by
		}
		if err := answers.Encode(record); err != nil {
			panic(err)
		}
	}
}
