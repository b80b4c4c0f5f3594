//! Tables in Markdown, to be pasted into a document.

/// Rows under a heading; the first column is text, the others are numbers.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        let rule = |column| if column == 0 { "---" } else { "---:" };
        let mut table = Self { rows: Vec::new() };
        table.row(heading.iter().map(|cell| (*cell).to_owned()).collect());
        table.row((0..heading.len()).map(|at| rule(at).to_owned()).collect());
        table
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn print(&self) {
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
        println!();
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (length, middle) if length % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        (_, middle) => values[middle],
    }
}

pub fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

/// A number of things: whole thousands and millions as such.
pub fn amount(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = if value.fract() == 0.0 { 0 } else { 2 };
    format!("{value:.digits$}{unit}")
}

pub fn bytes(value: f64) -> String {
    format!("{:.1} MB", value / 1e6)
}
