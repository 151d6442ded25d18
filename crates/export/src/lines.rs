//! The lines of an order (`details.lines`), their members, and the subscriptions that they name.
//!
//! Portals name the members of a line differently, so common names count as ours, whatever their case and with or without
//! underscores: see [`MEMBERS`]. The details keep the names that were sent.

use std::{borrow::Cow, fmt, sync::LazyLock};

use domain::{
    activity::{Activity, Details},
    job::{Output, Rows},
};
use memchr::memmem::Finder;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most digits that a spreadsheet keeps of a number.
const MAX_DIGITS: usize = 15;

/// A member of an order's line that has a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// The line's own number.
    Line,
    /// The product's id, or its name where the id is the SKU.
    Product,
    /// The product's id.
    Sku,
    /// The product's name.
    Name,
    /// The quantity.
    Quantity,
    /// The price of one.
    UnitPrice,
    /// The price of the line.
    Amount,
    /// The currency of the prices.
    Currency,
    /// The term of the subscription.
    Term,
    /// The subscription.
    SubscriptionId,
}

/// The names of the lines in the details, without underscores and in lower case; the first one present counts.
const LINES: [&[&str]; 1] = [&["lines", "orderlines", "lineitems"]];

/// The names of each [`Member`], in its order, without underscores and in lower case; the first one present counts.
const MEMBERS: [&[&str]; 10] = [
    &["line", "linenumber", "lineno", "lineitemnumber"],
    &["product", "productid", "offer", "offerid", "catalogitemid", "item", "itemid"],
    &["sku", "skuid", "productsku", "partnumber"],
    &["name", "productname", "skuname", "offername", "itemname", "friendlyname", "displayname", "title", "description"],
    &["quantity", "qty", "count", "seats", "units", "licences", "licenses", "licencequantity", "licensequantity"],
    &["unitprice", "price", "effectiveunitprice", "priceperunit"],
    &["amount", "total", "linetotal", "lineamount", "totalprice", "extendedprice", "subtotal"],
    &["currency", "currencycode", "pricingcurrency", "billingcurrency"],
    &["term", "termduration", "duration", "billingterm", "commitmentterm"],
    &["subscriptionid", "subscription"],
];

/// At least the length of the longest of these names.
const MAX_NAME_BYTES: usize = 20;

/// The lines of an activity's order, as recorded. Empty where the files need none.
#[derive(Debug)]
pub struct OrderLines<'a> {
    lines: Vec<&'a RawValue>,
    /// Whether each line is a row.
    are_rows: bool,
}

impl<'a> OrderLines<'a> {
    /// Reads the lines of an activity, where the output has a row for each line or shows the subscriptions of the lines.
    pub fn parse(activity: &'a Activity<&'a str>, output: Output) -> Self {
        let are_rows = output.rows == Rows::Lines;
        let lines = match &activity.details {
            // Most details name no subscription, and looking for the word is much cheaper than reading the JSON.
            Details::Here(details) if are_rows || (output.details && names_subscription(details)) => {
                read_lines(details)
            }
            _ => Vec::new(),
        };
        Self { lines, are_rows }
    }

    /// Returns the number of rows of the activity, at least one.
    pub fn rows(&self) -> usize {
        if self.are_rows { self.lines.len().max(1) } else { 1 }
    }

    /// Returns the line of a row, if rows are lines and the activity has lines.
    pub(crate) fn line_of_row(&self, row: usize) -> Option<&'a RawValue> {
        self.lines.get(row).copied().filter(|_| self.are_rows)
    }

    /// Returns the lines that a row of an activity stands for.
    pub(crate) fn lines_of_activity(&self) -> &[&'a RawValue] {
        if self.are_rows { &[] } else { &self.lines }
    }
}

fn names_subscription(details: &str) -> bool {
    // The first letter may have either case, or all letters may be capitals.
    static WORDS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["ubscription", "UBSCRIPTION"].map(Finder::new));
    WORDS.iter().any(|word| word.find(details.as_bytes()).is_some())
}

/// Details are any JSON, so the lines may be absent or something else than a list.
fn read_lines(details: &str) -> Vec<&RawValue> {
    let [lines] = read_members(details, &LINES);
    lines.and_then(|lines| serde_json::from_str(lines.get()).ok()).unwrap_or_default()
}

/// The members of an order's line. A line that is no object has none.
#[derive(Debug, Default)]
pub(crate) struct Line<'a>([Option<&'a RawValue>; MEMBERS.len()]);

impl<'a> Line<'a> {
    /// Reads a line.
    pub(crate) fn parse(line: &'a RawValue) -> Self {
        Self(read_members(line.get(), &MEMBERS))
    }

    /// Returns a member.
    pub(crate) fn get(&self, member: Member) -> Option<&'a RawValue> {
        self.0[member as usize]
    }

    /// Returns the product's id and name. A line with a SKU and a product, but no name, has its name as the product.
    pub(crate) fn product_and_name(&self) -> (Option<&'a RawValue>, Option<&'a RawValue>) {
        match (self.get(Member::Product), self.get(Member::Sku), self.get(Member::Name)) {
            (Some(product), Some(sku), None) => (Some(sku), Some(product)),
            (product, sku, name) => (product.or(sku), name),
        }
    }

    /// Returns the line's own amount as text, or else quantity times price, exactly.
    pub(crate) fn amount(&self) -> Option<Cow<'a, str>> {
        if let Some(amount) = self.get(Member::Amount) {
            return Some(plain_text(amount));
        }
        let (quantity, price) = (self.get(Member::Quantity)?, self.get(Member::UnitPrice)?);
        multiply(&plain_text(quantity), &plain_text(price)).filter(|amount| is_decimal(amount)).map(Cow::Owned)
    }

    /// Returns the subscription's id, if there is one.
    pub(crate) fn subscription_id(&self) -> Option<Cow<'a, str>> {
        subscription_id(self.get(Member::SubscriptionId))
    }
}

/// Returns the id of the subscription of a line, without reading the line's other members.
pub(crate) fn subscription_id_of(line: &RawValue) -> Option<Cow<'_, str>> {
    let [subscription] = read_members(line.get(), &[MEMBERS[Member::SubscriptionId as usize]]);
    subscription_id(subscription)
}

fn subscription_id(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    value.map(plain_text).filter(|id| !id.is_empty())
}

/// Reads members of a JSON object by lists of names: for each list, the value of the first name that is present and not
/// null. Another JSON value has no members.
fn read_members<'a, const N: usize>(json: &'a str, names: &[&[&str]; N]) -> [Option<&'a RawValue>; N] {
    struct Members<'n, const N: usize>(&'n [&'n [&'n str]; N]);

    impl<'de, const N: usize> DeserializeSeed<'de> for Members<'_, N> {
        type Value = [Option<&'de RawValue>; N];

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
        type Value = [Option<&'de RawValue>; N];

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found: [Option<(usize, &'de RawValue)>; N] = [None; N];
            while let Some(Key(key)) = members.next_key::<Key<'de>>()? {
                let value: &'de RawValue = members.next_value()?;
                let Some((member, rank)) = find_name(self.0, &key) else { continue };
                if value.get() != "null" && found[member].is_none_or(|(other, _)| rank < other) {
                    found[member] = Some((rank, value));
                }
            }
            Ok(found.map(|found| found.map(|(_, value)| value)))
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(json);
    Members(names).deserialize(&mut deserializer).unwrap_or([None; N])
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Finds the list that has a name, and the place of the name in the list.
fn find_name(names: &[&[&str]], key: &str) -> Option<(usize, usize)> {
    let mut letters = [0; MAX_NAME_BYTES];
    let mut length = 0;
    for byte in key.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' ')) {
        *letters.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let is_same = |name: &&str| name.as_bytes() == &letters[..length];
    names.iter().enumerate().find_map(|(member, names)| Some((member, names.iter().position(is_same)?)))
}

/// Returns a JSON value as a person would write it: a string without quotes, nothing for null, anything else unchanged.
pub(crate) fn plain_text(value: &RawValue) -> Cow<'_, str> {
    let raw = value.get();
    if raw == "null" {
        return Cow::Borrowed("");
    }
    if raw.starts_with('"') {
        return serde_json::from_str::<Key<'_>>(raw).map_or(Cow::Borrowed(raw), |Key(text)| text);
    }
    Cow::Borrowed(raw)
}

/// Returns whether a text is a number that a spreadsheet keeps exactly.
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole)
        && all(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && digits.bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS
}

/// Returns the product of two decimals with the decimal places of both; none if one is not a decimal.
fn multiply(left: &str, right: &str) -> Option<String> {
    let scaled = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        is_decimal(text)
            .then(|| format!("{whole}{fraction}").parse::<i128>().ok().map(|number| (number, fraction.len())))?
    };
    let ((left, left_places), (right, right_places)) = (scaled(left)?, scaled(right)?);
    let (number, places) = (left.checked_mul(right)?, left_places + right_places);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if number < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn no_name_is_longer_than_the_room_for_names() {
        let names = LINES.iter().chain(&MEMBERS).flat_map(|names| names.iter());
        assert!(names.map(|name| name.len()).max().is_some_and(|longest| longest <= MAX_NAME_BYTES));
    }

    #[test]
    fn common_names_of_members_count_as_ours() {
        let raw = line(
            r#"{"lineItemNumber":3,"OfferId":"o","friendlyName":"Été","QTY":2,"price":"1.50","line_total":"3.00","Currency-Code":"EUR",
                "termDuration":"P1Y","subscription":"s-1","other":true}"#,
        );
        let parsed = Line::parse(&raw);
        let text = |member| parsed.get(member).map(plain_text);
        for (member, expected) in [
            (Member::Line, "3"),
            (Member::Product, "o"),
            (Member::Name, "Été"),
            (Member::Quantity, "2"),
            (Member::UnitPrice, "1.50"),
            (Member::Amount, "3.00"),
            (Member::Currency, "EUR"),
            (Member::Term, "P1Y"),
            (Member::SubscriptionId, "s-1"),
        ] {
            assert_eq!(text(member).as_deref(), Some(expected), "{member:?}");
        }
        assert_eq!(text(Member::Sku), None);
    }

    #[test]
    fn subscription_is_found_in_lower_and_upper_case() {
        for name in ["subscription", "subscriptionId", "SubscriptionId", "SUBSCRIPTION_ID"] {
            let details = format!(r#"{{"lines":[{{"{name}":"s-1"}}]}}"#);
            assert!(names_subscription(&details), "{name}");
            let lines = read_lines(&details);
            let [line] = lines[..] else { panic!("not one line") };
            assert_eq!(Line::parse(line).subscription_id().as_deref(), Some("s-1"), "{name}");
        }
        assert!(!names_subscription(r#"{"lines":[{"sku":"s-1"}]}"#));
    }

    #[test]
    fn our_own_name_counts_first() {
        for json in [r#"{"qty":1,"quantity":2}"#, r#"{"quantity":2,"qty":1}"#, r#"{"quantity":null,"qty":2}"#] {
            let raw = line(json);
            assert_eq!(Line::parse(&raw).get(Member::Quantity).unwrap().get(), "2", "{json}");
        }
    }

    #[test]
    fn line_has_the_id_and_the_name_of_its_product() {
        for (json, product, name) in [
            (r#"{"product":"p","name":"n"}"#, "p", "n"),
            (r#"{"sku":"s","name":"n"}"#, "s", "n"),
            (r#"{"sku":"s","product":"n"}"#, "s", "n"),
            (r#"{"sku":"s","product":"p","name":"n"}"#, "p", "n"),
            (r#"{"product":{"id":1}}"#, r#"{"id":1}"#, ""),
            (r#""free text""#, "", ""),
        ] {
            let raw = line(json);
            let (id, shown) = Line::parse(&raw).product_and_name();
            let text = |value: Option<&RawValue>| value.map_or(String::new(), |value| plain_text(value).into_owned());
            assert_eq!((text(id), text(shown)), (product.to_owned(), name.to_owned()), "{json}");
        }
    }

    #[test]
    fn amount_is_the_lines_own_or_quantity_times_price() {
        for (json, amount) in [
            (r#"{"quantity":12,"unit_price":"14.90"}"#, Some("178.80")),
            (r#"{"quantity":12,"unit_price":"14.90","amount":"170"}"#, Some("170")),
            (r#"{"quantity":"2 boxes","unit_price":"14.90"}"#, None),
            (r#"{"quantity":12}"#, None),
        ] {
            assert_eq!(Line::parse(&line(json)).amount().as_deref(), amount, "{json}");
        }
    }

    #[test]
    fn decimal_is_a_number_that_spreadsheets_keep() {
        for number in ["0", "-1", "12", "14.90", "-0.5", "123456789012345", "0.00000000000001"] {
            assert!(is_decimal(number), "{number}");
        }
        for other in
            ["", "-", ".5", "5.", "+5", "007", "1e3", "1,5", "1234567890123456", "12.34567890123456", "NaN", "١"]
        {
            assert!(!is_decimal(other), "{other}");
        }
    }

    #[test]
    fn multiply_is_exact() {
        for (left, right, expected) in [
            ("12", "14.90", Some("178.80")),
            ("3", "0.10", Some("0.30")),
            ("-2", "0.05", Some("-0.10")),
            ("0", "9.99", Some("0.00")),
            ("5", "5", Some("25")),
            ("5", "a", None),
            ("5", "", None),
        ] {
            assert_eq!(multiply(left, right).as_deref(), expected, "{left} × {right}");
        }
    }
}
