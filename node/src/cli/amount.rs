//! Amounts as people write them: integers of the smallest unit, or with a point where the asset has decimals.

use althing_genesis::Asset;

use crate::cli::failure::Failure;

/// An amount in the smallest unit. `12` is 12 of the smallest unit; `12.00` is 12 whole ones. Nothing is rounded.
pub(crate) fn parse(text: &str, asset: &Asset) -> Result<u128, Failure> {
    let refuse = |why: String| Failure::usage(format!("the amount {text}: {why}"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = usize::from(asset.decimals);
    let (whole, fraction) = match text.split_once('.') {
        None if digits(text) => (text.to_owned(), String::new()),
        Some((whole, fraction)) if digits(whole) && digits(fraction) => {
            if fraction.len() > decimals {
                return Err(refuse(format!("{} has {decimals} decimals", asset.symbol.as_str())));
            }
            (whole.to_owned(), format!("{fraction:0<decimals$}"))
        }
        _ => return Err(refuse("write digits, with at most one point among them".to_owned())),
    };
    let amount = format!("{whole}{fraction}").parse().map_err(|_| refuse("it is too large".to_owned()))?;
    if amount == 0 { Err(refuse("it must be above zero".to_owned())) } else { Ok(amount) }
}

/// An amount for people: with the point where it belongs, and the asset's symbol.
pub(crate) fn shown(amount: u128, decimals: u8, symbol: &str) -> String {
    let digits = format!("{amount:0>width$}", width = usize::from(decimals) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
    if fraction.is_empty() { format!("{whole} {symbol}") } else { format!("{whole}.{fraction} {symbol}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars() -> Asset {
        Asset { symbol: "USD".parse().expect("a symbol"), name: "US dollar".to_owned(), decimals: 2 }
    }

    #[test]
    fn a_point_means_whole_ones_and_nothing_is_rounded() {
        for (text, amount) in [("12", 12), ("12.5", 1_250), ("12.50", 1_250), ("0.01", 1), ("007", 7)] {
            assert_eq!(parse(text, &dollars()).expect(text), amount, "{text}");
        }
        for text in ["", ".", "1.", ".5", "1.234", "-1", "+1", "1e3", "1,5", "0", "0.00", "1 ", "１"] {
            assert!(parse(text, &dollars()).is_err(), "{text:?}");
        }
        assert!(parse(&format!("{}0", u128::MAX), &dollars()).is_err());
        assert!(parse(&format!("{}.00", u128::MAX), &dollars()).is_err());
    }

    #[test]
    fn amounts_are_shown_with_their_point() {
        assert_eq!(shown(1_250, 2, "USD"), "12.50 USD");
        assert_eq!(shown(1, 2, "USD"), "0.01 USD");
        assert_eq!(shown(7, 0, "PCS"), "7 PCS");
        assert_eq!(shown(u128::MAX, 38, "X"), "3.40282366920938463463374607431768211455 X");
    }
}
