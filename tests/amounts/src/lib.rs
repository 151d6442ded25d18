//! Decides how much the long tests try: little in `make test`, much in `make soak`.
//!
//! `DAYBOOK_AMOUNT=soak` selects the large amounts. A variable of each test selects any amount, as in `FUZZ_SECONDS=60`.
//! `tests/amounts/amounts.py` is the same for the tests in Python.

/// Returns the amount that a variable names, or else the small or the large one.
///
/// # Panics
/// If the variable is no whole number.
#[must_use]
pub fn amount(variable: &str, small: u64, large: u64) -> u64 {
    setting(variable, if read("DAYBOOK_AMOUNT").as_deref() == Some("soak") { large } else { small })
}

/// Returns the number that a variable names, such as a seed.
///
/// # Panics
/// If the variable is no whole number.
#[must_use]
pub fn setting(variable: &str, default: u64) -> u64 {
    read(variable).map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// Prints a row of the table of `docs/trust.md`, which `make soak` collects.
pub fn report(tried: &str, amount: &str, seed: u64) {
    eprintln!("tried | {tried} | {amount} | {seed}");
}

fn read(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the person who runs a test decides how much the test tries")]
    let text = std::env::var(variable);
    text.ok()
}
