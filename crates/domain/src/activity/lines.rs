//! The lines of an order (`details.lines`), their members, and what they add up to.
//!
//! Portals name the members of a line differently, so common names count as ours, whatever their case and with or without
//! underscores: see `MEMBERS`. The details keep the names that were sent.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The most digits that a spreadsheet keeps of a number.
const MAX_DIGITS: usize = 15;
/// The most currencies whose sums are kept, so that a list stays short.
const MAX_CURRENCIES: usize = 3;
/// The longest name of a currency.
const MAX_CURRENCY_BYTES: usize = 8;

/// A member of an order's line that has a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
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

/// Returns the lines of details. Details are any JSON, so the lines may be absent or something else than a list.
pub fn read_lines(details: &str) -> Vec<&RawValue> {
    let [lines] = read_members(details, &LINES);
    lines.and_then(|lines| serde_json::from_str(lines.get()).ok()).unwrap_or_default()
}

/// The members of an order's line. A line that is no object has none.
#[derive(Debug, Default)]
pub struct Line<'a>([Option<&'a RawValue>; MEMBERS.len()]);

impl<'a> Line<'a> {
    /// Reads a line.
    pub fn parse(line: &'a RawValue) -> Self {
        Self(read_members(line.get(), &MEMBERS))
    }

    /// Returns a member.
    pub fn get(&self, member: Member) -> Option<&'a RawValue> {
        self.0[member as usize]
    }

    /// Returns the product's id and name. A line with a SKU and a product, but no name, has its name as the product.
    pub fn product_and_name(&self) -> (Option<&'a RawValue>, Option<&'a RawValue>) {
        match (self.get(Member::Product), self.get(Member::Sku), self.get(Member::Name)) {
            (Some(product), Some(sku), None) => (Some(sku), Some(product)),
            (product, sku, name) => (product.or(sku), name),
        }
    }

    /// Returns the line's own amount as text, or else quantity times price, exactly.
    pub fn amount(&self) -> Option<Cow<'a, str>> {
        if let Some(amount) = self.get(Member::Amount) {
            return Some(plain_text(amount));
        }
        let (quantity, price) = (self.get(Member::Quantity)?, self.get(Member::UnitPrice)?);
        let amount = Decimal::parse(&plain_text(quantity))?.times(Decimal::parse(&plain_text(price))?)?.to_string();
        is_decimal(&amount).then_some(Cow::Owned(amount))
    }

    /// Returns the subscription's id, if there is one.
    pub fn subscription_id(&self) -> Option<Cow<'a, str>> {
        subscription_id(self.get(Member::SubscriptionId))
    }
}

/// Returns the id of the subscription of a line, without reading the line's other members.
pub fn subscription_id_of(line: &RawValue) -> Option<Cow<'_, str>> {
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
pub fn plain_text(value: &RawValue) -> Cow<'_, str> {
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
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole)
        && all(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && digits.bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS
}

/// A decimal number: a whole number of the last decimal place, and the number of places.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    number: i128,
    places: u32,
}

impl Decimal {
    const ZERO: Self = Self { number: 0, places: 0 };

    /// Reads a text for which [`is_decimal`] holds.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let number = is_decimal(text).then(|| format!("{whole}{fraction}").parse().ok())??;
        Some(Self { number, places: u32::try_from(fraction.len()).ok()? })
    }

    /// Returns the exact product, with the decimal places of both.
    fn times(self, other: Self) -> Option<Self> {
        Some(Self { number: self.number.checked_mul(other.number)?, places: self.places + other.places })
    }

    /// Returns the exact sum, with the decimal places of the longer one.
    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let scaled = |each: Self| each.number.checked_mul(10_i128.checked_pow(places - each.places)?);
        Some(Self { number: scaled(self)?.checked_add(scaled(other)?)?, places })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places as usize;
        let digits = format!("{:0>width$}", self.number.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let (sign, mark) = (if self.number < 0 { "-" } else { "" }, if fraction.is_empty() { "" } else { "." });
        write!(formatter, "{sign}{whole}{mark}{fraction}")
    }
}

/// What the lines of an order add up to.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineSums {
    /// The number of lines.
    pub count: usize,
    /// The sum of the lines' amounts in each currency. Absent where a line has no amount or no currency.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amounts: Vec<AmountSum>,
}

/// A sum of money.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AmountSum {
    /// The exact decimal number.
    pub amount: String,
    /// The currency, as the lines name it.
    pub currency: String,
}

impl LineSums {
    /// Adds up the lines of details; nothing without lines.
    pub fn of(details: &str) -> Option<Self> {
        let lines = read_lines(details);
        let count = lines.len();
        (count > 0).then(|| Self { count, amounts: sum_amounts(&lines).unwrap_or_default() })
    }
}

/// Adds up the amounts in each currency, in the order of the currencies' first lines; nothing if a line has no number or no
/// currency, or if there are too many currencies to show.
fn sum_amounts(lines: &[&RawValue]) -> Option<Vec<AmountSum>> {
    let mut sums: Vec<(Cow<'_, str>, Decimal)> = Vec::new();
    for line in lines {
        let line = Line::parse(line);
        let amount = Decimal::parse(&line.amount()?)?;
        let currency = plain_text(line.get(Member::Currency)?);
        if currency.is_empty() || currency.len() > MAX_CURRENCY_BYTES {
            return None;
        }
        let index = sums.iter().position(|(other, _)| *other == currency).unwrap_or(sums.len());
        if index == MAX_CURRENCIES {
            return None;
        }
        if index == sums.len() {
            sums.push((currency, Decimal::ZERO));
        }
        sums[index].1 = sums[index].1.plus(amount)?;
    }
    Some(
        sums.into_iter()
            .map(|(currency, sum)| AmountSum { amount: sum.to_string(), currency: currency.into_owned() })
            .collect(),
    )
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
            let lines = read_lines(&details);
            let [line] = lines[..] else { panic!("not one line") };
            assert_eq!(Line::parse(line).subscription_id().as_deref(), Some("s-1"), "{name}");
            assert_eq!(subscription_id_of(line).as_deref(), Some("s-1"), "{name}");
        }
        for json in ["{}", r#"{"subscription":""}"#, r#"{"subscription":null}"#, "1"] {
            assert_eq!(subscription_id_of(&line(json)), None, "{json}");
        }
    }

    #[test]
    fn our_own_name_counts_first() {
        for json in [
            r#"{"qty":1,"quantity":2}"#,
            r#"{"quantity":2,"qty":1}"#,
            r#"{"quantity":null,"qty":2}"#,
            r#"{"quantity":2,"quantity":3}"#,
        ] {
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
    fn product_is_exact() {
        for (left, right, expected) in [
            ("12", "14.90", Some("178.80")),
            ("3", "0.10", Some("0.30")),
            ("-2", "0.05", Some("-0.10")),
            ("0", "9.99", Some("0.00")),
            ("5", "5", Some("25")),
            ("5", "a", None),
            ("5", "", None),
        ] {
            let product = Decimal::parse(left).zip(Decimal::parse(right)).and_then(|(left, right)| left.times(right));
            assert_eq!(product.map(|product| product.to_string()).as_deref(), expected, "{left} × {right}");
        }
    }

    #[test]
    fn lines_add_up_by_currency_and_exactly() {
        let sums = |details: &str| LineSums::of(details).map(|sums| serde_json::to_string(&sums).unwrap());
        for (details, expected) in [
            (
                r#"{"lines":[{"quantity":12,"unit_price":"14.90","currency":"EUR"}]}"#,
                r#"{"count":1,"amounts":[{"amount":"178.80","currency":"EUR"}]}"#,
            ),
            (
                r#"{"orderLines":[{"amount":"0.1","currency":"EUR"},{"total":5,"currency_code":"USD"},{"amount":"0.25","currency":"EUR"}]}"#,
                r#"{"count":3,"amounts":[{"amount":"0.35","currency":"EUR"},{"amount":"5","currency":"USD"}]}"#,
            ),
            (
                r#"{"lines":[{"amount":"-2.50","currency":"EUR"},{"amount":"1","currency":"EUR"}]}"#,
                r#"{"count":2,"amounts":[{"amount":"-1.50","currency":"EUR"}]}"#,
            ),
            // A sum that leaves a line out would mislead.
            (r#"{"lines":[{"amount":"1","currency":"EUR"},{"amount":"1e3","currency":"EUR"}]}"#, r#"{"count":2}"#),
            (r#"{"lines":[{"amount":"1","currency":"EUR"},{"amount":"1"}]}"#, r#"{"count":2}"#),
            (r#"{"lines":[{"amount":"1","currency":""}]}"#, r#"{"count":1}"#),
            (r#"{"lines":["free text"]}"#, r#"{"count":1}"#),
        ] {
            assert_eq!(sums(details).as_deref(), Some(expected), "{details}");
        }
        for (bytes, amounts) in [(MAX_CURRENCY_BYTES, 1), (MAX_CURRENCY_BYTES + 1, 0), (MAX_CURRENCY_BYTES + 9, 0)] {
            let details = format!(r#"{{"lines":[{{"amount":"1","currency":"{}"}}]}}"#, "x".repeat(bytes));
            assert_eq!(LineSums::of(&details).unwrap().amounts.len(), amounts, "{bytes}");
        }
        for details in ["{}", r#"{"lines":[]}"#, r#"{"lines":{"a":1}}"#, r#"{"lines":null}"#] {
            assert_eq!(sums(details), None, "{details}");
        }
        let many =
            (0..=MAX_CURRENCIES).map(|number| format!(r#"{{"amount":1,"currency":"C{number}"}}"#)).collect::<Vec<_>>();
        assert_eq!(sums(&format!(r#"{{"lines":[{}]}}"#, many.join(","))).as_deref(), Some(r#"{"count":4}"#));
    }
}
