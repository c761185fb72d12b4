//! Columns of text, sizes and ages.
//!
//! Rule: a person reads them; programs get JSON.

use std::time::Duration;

/// Rows with columns of one width, the last as wide as it is. Numbers stand to the right.
pub(super) fn table(rows: &[Vec<String>], numbers: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let cell = |(column, cell): (usize, &String)| {
        let width = widths[column];
        if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// `512 B`, `3.4 KiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a person sees two digits of it")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Its largest unit: `3d`, `12h`, `5m`, `8s`.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let largest = units.into_iter().find(|(length, _)| seconds >= *length);
    largest.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["NAME", "ITEMS", "FOR"]), row(["otlp-metrics", "7", "a place"])];
        assert_eq!(table(&rows, &[1]), "NAME          ITEMS  FOR\notlp-metrics      7  a place\n");
    }

    #[test]
    fn sizes_and_ages_are_told_in_their_largest_unit() {
        assert_eq!([size(0), size(1023), size(1536)], ["0 B", "1023 B", "1.5 KiB"]);
        assert_eq!([size(268_435_456), size(5 << 40)], ["256.0 MiB", "5120.0 GiB"]);
        let ages = [0, 59, 60, 7_199, 86_400 * 3 + 1].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "59s", "1m", "1h", "3d"]);
    }
}
