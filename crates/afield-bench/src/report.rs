//! Figures of alternating rounds and the table they end in.

/// What the contestants of one comparison reached, round by round. The first row is the floor.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    /// Notes a figure of this round.
    pub(crate) fn add(&mut self, contestant: &str, figure: f64) {
        match self.rows.iter_mut().find(|(name, _)| name == contestant) {
            Some((_, rounds)) => rounds.push(figure),
            None => self.rows.push((contestant.to_owned(), vec![figure])),
        }
    }

    /// Prints it. Ratios are taken within each round, so that a slow moment of the machine does not
    /// count against one side only.
    pub(crate) fn print(&self, title: &str, unit: &str) {
        let floor = self.rows.first().map_or(&[][..], |(_, rounds)| rounds.as_slice());
        println!("\n{title}: {unit}, median of {} rounds", floor.len());
        println!("  {:<42} {:>10} {:>22} {:>9}", "", "median", "least to most", "to floor");
        for (name, rounds) in &self.rows {
            let ratios: Vec<f64> =
                rounds.iter().zip(floor).map(|(own, floor)| own / floor).collect();
            let spread = format!("{} to {}", figure(least(rounds)), figure(most(rounds)));
            let (middle, ratio) = (figure(median(rounds)), figure(median(&ratios)));
            println!("  {name:<42} {middle:>10} {spread:>22} {ratio:>9}");
        }
    }
}

/// Says that something can't be measured here: no silent hole in a table.
pub(crate) fn left_out(name: &str, why: &str) {
    println!("{name}: not measured, {why}");
}

/// The middle of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Three or four digits that matter.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 10_000.0 => format!("{:.1} k", value / 1000.0),
        middle if middle >= 100.0 => format!("{value:.0}"),
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(figure(123_456.0), "123.5 k");
        assert_eq!(figure(123.4), "123");
        assert_eq!(figure(12.34), "12.3");
        assert_eq!(figure(0.1234), "0.123");
    }

    #[test]
    fn rows_keep_the_order_in_which_they_came() {
        let mut table = Table::default();
        for round in 0..2 {
            table.add("floor", f64::from(round));
            table.add("peer", 2.0);
        }
        let names: Vec<&str> = table.rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["floor", "peer"]);
        assert_eq!(table.rows[0].1.len(), 2);
    }
}
