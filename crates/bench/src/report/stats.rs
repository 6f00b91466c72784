//! Medians, and numbers as text.

/// The middle value; the mean of the two middle ones where there are two. Zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (odd, middle) if odd % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The least and the greatest.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, greatest)
}

/// A number with so many digits after the point and commas between thousands.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0
            && digit.is_ascii_digit()
            && (whole.len() - place).is_multiple_of(3)
            && !out.ends_with('-')
        {
            out.push(',');
        }
        out.push(digit);
    }
    rest.map_or(out.clone(), |rest| format!("{out}.{rest}"))
}

/// How many times, with as many digits as mean something.
pub(crate) fn times(value: f64) -> String {
    number(value, if value < 10.0 { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        for (values, expected) in [(vec![], 0.0), (vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 3.0, 2.0], 2.5)]
        {
            assert!((median(&values) - expected).abs() < f64::EPSILON, "{values:?}");
        }
        assert_eq!(spread(&[2.0, 5.0, 1.0]), (1.0, 5.0));
    }

    #[test]
    fn numbers_have_commas_between_thousands_and_nowhere_else() {
        for (value, digits, expected) in [
            (0.0, 0, "0"),
            (999.0, 0, "999"),
            (1000.0, 0, "1,000"),
            (1_234_567.8, 1, "1,234,567.8"),
            (-1234.0, 0, "-1,234"),
            (-123.0, 0, "-123"),
            (12.345, 2, "12.35"),
        ] {
            assert_eq!(number(value, digits), expected);
        }
    }
}
