//! What revenue to expect: the straight line that fits the past days best (least squares). A pure rule.

/// Whole days that are needed: a line through less would follow single days of the week.
pub(super) const DAYS_NEEDED: usize = 7;

/// A line through days 0, 1, 2 and so on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Its height on day 0.
    pub(super) start: f64,
    /// How much it rises a day.
    pub(super) slope: f64,
    /// How much of the differences between the days it explains (R²), 0 to 1. All of them, when there are none.
    pub(super) confidence: f64,
}

impl Line {
    /// The line that fits; `None` when there are too few days.
    pub(super) fn fit(days: &[f64]) -> Option<Self> {
        if days.len() < DAYS_NEEDED {
            return None;
        }
        let count = u32::try_from(days.len()).ok()?;
        let each = || (0..count).map(f64::from).zip(days);
        let (mean_x, mean_y) = (f64::from(count - 1) / 2.0, days.iter().sum::<f64>() / f64::from(count));
        let spread: f64 = each().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = each().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let start = mean_y - slope * mean_x;
        let unexplained: f64 = each().map(|(x, y)| (y - start - slope * x).powi(2)).sum();
        let all: f64 = days.iter().map(|y| (y - mean_y).powi(2)).sum();
        let confidence = if all > 0.0 { (1.0 - unexplained / all).clamp(0.0, 1.0) } else { 1.0 };
        Some(Self { start, slope, confidence })
    }

    /// Its height on a day, but nowhere below 0.
    pub(super) fn at(&self, day: u32) -> f64 {
        (self.start + self.slope * f64::from(day)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_straight_line_is_found() {
        let line = Line::fit(&[10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0]).unwrap();
        assert!(near(line.slope, 2.0) && near(line.start, 10.0) && near(line.confidence, 1.0), "{line:?}");
        assert!(near(line.at(8), 26.0));
    }

    #[test]
    fn figures_by_hand() {
        // x 0..6: mean 3, spread 28. y: mean 4; Σ(x-3)(y-4) = 3·3+2·0+1·1+0+1·0+2·1+3·2... worked out:
        // y-4 = -3,0,-1,1,0,1,2 → 9+0+1+0+0+2+6 = 18; slope 18/28; all = 9+0+1+1+0+1+4 = 16; R² = 18²/(28·16).
        let line = Line::fit(&[1.0, 4.0, 3.0, 5.0, 4.0, 5.0, 6.0]).unwrap();
        assert!(near(line.slope, 18.0 / 28.0) && near(line.start, 4.0 - 3.0 * 18.0 / 28.0), "{line:?}");
        assert!(near(line.confidence, 324.0 / 448.0), "{line:?}");
    }

    #[test]
    fn what_falls_stops_at_nothing_and_what_stays_is_sure() {
        let falls = Line::fit(&[70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0]).unwrap();
        assert!(near(falls.at(6), 10.0) && near(falls.at(30), 0.0));
        let stays = Line::fit(&[5.0; 8]).unwrap();
        assert!(near(stays.slope, 0.0) && near(stays.confidence, 1.0) && near(stays.at(90), 5.0));
        assert!(Line::fit(&[1.0; 6]).is_none());
    }
}
