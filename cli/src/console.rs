//! What people see: tables, sizes, colours, and a line that tells that something takes long.

use std::io::Write;

use anstyle::{AnsiColor, Reset, Style};
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;

mod progress;

pub(crate) use progress::Progress;

/// Colours; `anstream` leaves them out where the output is no terminal, or `NO_COLOR` is set.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const END: Reset = Reset;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

/// `-o`, wherever there is an answer in several forms.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Output {
    /// Form of the answer
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        env = "JOCH_OUTPUT",
        hide_env_values = true,
        default_value = "table"
    )]
    pub(crate) format: Format,
}

impl Output {
    /// Prints `answer` in a form for programs, or calls `table` for people.
    pub(crate) fn print<T: Serialize>(
        &self,
        answer: &T,
        out: &mut dyn Write,
        table: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => table(out)?,
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(answer)?)?,
            Format::Yaml => write!(out, "{}", serde_norway::to_string(answer)?)?,
        }
        Ok(())
    }
}

/// A table as kubectl draws them: headers in capitals, no lines.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Prints a table; the last column has no blanks after it.
pub(crate) fn print_table(table: &Table, out: &mut dyn Write) -> anyhow::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `312 B`, `71.2 KiB`, `3.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut tenths = u128::from(bytes) * 10;
    for unit in ["B", "KiB", "MiB"] {
        if tenths < 10 * 1024 {
            let (whole, rest) = (tenths / 10, tenths % 10);
            return if unit == "B" {
                format!("{whole} B")
            } else {
                format!("{whole}.{rest} {unit}")
            };
        }
        tenths /= 1024;
    }
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (72_909, "71.2 KiB"),
            (3 << 20, "3.0 MiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn tables_have_no_blanks_at_the_end_of_a_line() {
        let mut table = table(&["A", "B"]);
        table.add_row(["long text", "x"]);
        let mut out = Vec::new();
        print_table(&table, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A          B\nlong text  x\n");
    }
}
