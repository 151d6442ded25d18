//! Amazon resource names of roles and event buses, checked by their form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::quoted;

/// The partitions of AWS: the public regions, the regions of the US government, and China.
const PARTITIONS: [&str; 3] = ["aws", "aws-us-gov", "aws-cn"];
/// The longest name of a role, in characters.
const MAX_ROLE_NAME_CHARS: usize = 64;
/// The longest path of a role with its slashes, in characters.
const MAX_ROLE_PATH_CHARS: usize = 512;
/// The longest name of an event bus, in characters.
const MAX_BUS_NAME_CHARS: usize = 256;

/// The name of a role or of an event bus: `arn:partition:service:region:account:resource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arn(String);

impl Arn {
    /// Reads the name of a role: `arn:aws:iam::123456789012:role/path/name`.
    ///
    /// # Errors
    /// A message that shows the form.
    pub fn parse_role(text: &str) -> Result<Self, String> {
        let resource = |resource: &str| resource.strip_prefix("role/").is_some_and(is_role);
        Self::parse(text, "iam", str::is_empty, resource)
            .ok_or_else(|| format!("{} is not a role such as arn:aws:iam::123456789012:role/daybook", quoted(text)))
    }

    /// Reads the name of an event bus: `arn:aws:events:eu-west-3:123456789012:event-bus/name`.
    ///
    /// # Errors
    /// A message that shows the form.
    pub fn parse_bus(text: &str) -> Result<Self, String> {
        let resource = |resource: &str| resource.strip_prefix("event-bus/").is_some_and(is_bus);
        Self::parse(text, "events", is_region, resource).ok_or_else(|| {
            let form = "an event bus such as arn:aws:events:eu-west-3:123456789012:event-bus/security";
            format!("{} is not {form}", quoted(text))
        })
    }

    fn parse(
        text: &str,
        service: &str,
        is_region: impl Fn(&str) -> bool,
        is_resource: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut is_next = |check: &dyn Fn(&str) -> bool| parts.next().is_some_and(check);
        let is_valid = is_next(&|start| start == "arn")
            && is_next(&|partition| PARTITIONS.contains(&partition))
            && is_next(&|part| part == service)
            && is_next(&is_region)
            && is_next(&is_account)
            && is_next(&is_resource);
        is_valid.then(|| Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the partition, such as `aws`.
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// Returns the region; that of a role is empty.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// Returns the id of the account, 12 digits.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether text has the form of a region: words separated by dashes, and a number.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |word: &str| (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    match words.split_last() {
        Some((number, words)) => (2..=4).contains(&words.len()) && words.iter().all(is_word) && is_number(number),
        None => false,
    }
}

/// Tells whether text is the path and the name of a role.
fn is_role(text: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let is_name = |name: &str| (1..=MAX_ROLE_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_name_byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    match text.rsplit_once('/') {
        // A path has a slash at both of its ends.
        Some((path, name)) => is_name(name) && path.len() + 2 <= MAX_ROLE_PATH_CHARS && path.split('/').all(is_part),
        None => is_name(text),
    }
}

fn is_bus(name: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
    (1..=MAX_BUS_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_recognised_in_every_partition() {
        for (good, partition) in [
            ("arn:aws:iam::123456789012:role/daybook", "aws"),
            ("arn:aws-us-gov:iam::123456789012:role/a/b/daybook", "aws-us-gov"),
            ("arn:aws-cn:iam::123456789012:role/Daybook_1+=,.@-x", "aws-cn"),
        ] {
            let arn = Arn::parse_role(good).unwrap();
            assert_eq!(
                (arn.to_string().as_str(), arn.partition(), arn.account(), arn.region()),
                (good, partition, "123456789012", "")
            );
            assert_eq!(arn.as_str(), good);
        }
        for bad in [
            "",
            "daybook",
            "arn:aws:iam::123456789012:user/daybook",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role//daybook",
            "arn:aws:iam::123456789012:role/a//daybook",
            "arn:aws:iam::123456789012:role/day book",
            "arn:aws:iam::123456789012:role/daybook\n",
            "arn:aws:iam::123456789012:role/day:book",
            "arn:aws:iam::12345678901:role/daybook",
            "arn:aws:iam::1234567890123:role/daybook",
            "arn:aws:iam::12345678901a:role/daybook",
            "arn:aws:iam:eu-west-3:123456789012:role/daybook",
            "arn:aws:sts::123456789012:role/daybook",
            "arn:aws-iso:iam::123456789012:role/daybook",
            " arn:aws:iam::123456789012:role/daybook",
            "ARN:aws:iam::123456789012:role/daybook",
        ] {
            assert!(Arn::parse_role(bad).is_err(), "{bad}");
        }
        assert!(Arn::parse_role("x").unwrap_err().starts_with("\"x\" is not a role such as arn:aws:iam"));
    }

    #[test]
    fn event_buses_are_recognised_in_every_region() {
        for (good, region) in [
            ("arn:aws:events:eu-west-3:123456789012:event-bus/default", "eu-west-3"),
            ("arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/a/b.c-d_e", "us-gov-west-1"),
            ("arn:aws-cn:events:cn-northwest-1:123456789012:event-bus/x", "cn-northwest-1"),
        ] {
            assert_eq!(Arn::parse_bus(good).unwrap().region(), region);
        }
        for bad in [
            "arn:aws:events:eu-west-3:123456789012:rule/x",
            "arn:aws:events:eu-west-3:123456789012:event-bus/",
            "arn:aws:events:eu-west-3:123456789012:event-bus/a b",
            "arn:aws:events::123456789012:event-bus/x",
            "arn:aws:events:europe:123456789012:event-bus/x",
            "arn:aws:events:eu-west-300:123456789012:event-bus/x",
            "arn:aws:events:eu--3:123456789012:event-bus/x",
            "arn:aws:events:EU-west-3:123456789012:event-bus/x",
            "arn:aws:events:eu-west-3:*:event-bus/x",
            "arn:aws:events:eu-west-3:123456789012",
        ] {
            assert!(Arn::parse_bus(bad).is_err(), "{bad}");
        }
        assert!(Arn::parse_bus("x").unwrap_err().contains("event-bus/security"));
    }

    #[test]
    fn limits_of_names_are_inclusive() {
        let role = |path: usize, name: usize| {
            format!("arn:aws:iam::123456789012:role/{}/{}", "p".repeat(path), "n".repeat(name))
        };
        assert!(Arn::parse_role(&role(510, 64)).is_ok());
        assert!(Arn::parse_role(&role(511, 64)).is_err());
        assert!(Arn::parse_role(&role(510, 65)).is_err());
        let bus = |name: usize| format!("arn:aws:events:eu-west-3:123456789012:event-bus/{}", "n".repeat(name));
        assert!(Arn::parse_bus(&bus(256)).is_ok());
        assert!(Arn::parse_bus(&bus(257)).is_err());
    }
}
