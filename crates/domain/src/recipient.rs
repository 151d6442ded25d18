//! Recipients of notifications: webhooks and e-mail addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use crate::text::{hex, quoted};
use sha2::{Digest as _, Sha256};

/// The most recipients of one schedule.
pub const MAX_RECIPIENTS: usize = 10;
/// The longest URL, in characters after encoding.
const MAX_URL_CHARS: usize = 2_048;
/// The longest e-mail address, in characters (RFC 5321, section 4.5.3.1).
const MAX_ADDRESS_CHARS: usize = 254;
/// The longest part before the `@`, in characters (RFC 5321, section 4.5.3.1).
const MAX_LOCAL_PART_CHARS: usize = 64;

/// A recipient of notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The URL of a receiver of webhooks.
    Webhook(Url),
    /// An e-mail address.
    Email(String),
}

/// The recipients that an installation can reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Whether the installation sends e-mail.
    pub email: bool,
    /// Hosts that may have private addresses and need no TLS. Only developers' own machines have such test receivers.
    pub test_hosts: Vec<String>,
}

impl Reach {
    /// Makes a reach; `test_hosts` is a list separated by commas.
    pub fn new(email: bool, test_hosts: &str) -> Self {
        let hosts = test_hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        Self { email, test_hosts: hosts.map(str::to_owned).collect() }
    }

    /// Tells whether a URL leads to a test host.
    pub fn is_test_host(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.test_hosts.iter().any(|test| test == host))
    }
}

impl Recipient {
    /// Reads `https://…` or `mailto:…`.
    ///
    /// # Errors
    /// A message that says what is expected.
    pub fn parse(text: &str, reach: &Reach) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("mailto:") {
            return parse_address(address, reach).map(Self::Email);
        }
        if !Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http")) {
            return Err(format!("{} begins with neither https:// nor mailto:", quoted(text)));
        }
        parse_public_url(text, reach).map(Self::Webhook)
    }

    /// Returns a name for the recipient without personal data: 16 hexadecimal digits of a SHA-256.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.to_string())[..8])
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(url) => f.write_str(url.as_str()),
            Self::Email(address) => write!(f, "mailto:{address}"),
        }
    }
}

impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a stored recipient, which was checked before.
impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("mailto:") {
            Some(address) => Ok(Self::Email(address.to_owned())),
            None => Url::parse(&text).map(Self::Webhook).map_err(serde::de::Error::custom),
        }
    }
}

/// Reads the URL of a server on the Internet, `https://…`. Test hosts may have private addresses and need no TLS.
///
/// # Errors
/// A message that says what is expected.
pub fn parse_public_url(text: &str, reach: &Reach) -> Result<Url, String> {
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http")) else {
        return Err(format!("{} is not a URL such as https://siem.contoso.example/events", quoted(text)));
    };
    let refused = |why: &str| Err(format!("{} {why}", quoted(text)));
    let is_test_host = reach.is_test_host(&url);
    if url.scheme() != "https" && !is_test_host {
        return refused("must begin with https://");
    }
    if text.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return refused("must not contain white space: encode it");
    }
    // The encoded URL counts, because it is stored and called.
    if url.as_str().len() > MAX_URL_CHARS {
        return refused(&format!("has more than {MAX_URL_CHARS} characters after encoding"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("must not contain a user name or a password: requests are signed instead");
    }
    if url.fragment().is_some() {
        return refused("must not have a fragment");
    }
    if !is_test_host {
        let is_reachable = match url.host() {
            Some(Host::Domain(domain)) => is_public_domain(domain),
            _ => ip_literal(&url).is_some_and(is_public),
        };
        if !is_reachable {
            return refused("is not a public address: only servers on the Internet are called");
        }
        if url.port() == Some(0) {
            return refused("has port 0, on which no server listens");
        }
    }
    Ok(url)
}

fn parse_address(address: &str, reach: &Reach) -> Result<String, String> {
    if !reach.email {
        return Err("this installation cannot send e-mail: use a webhook, https://…".to_owned());
    }
    let valid = || {
        let (local, domain) = address.rsplit_once('@')?;
        let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        let fits = address.len() <= MAX_ADDRESS_CHARS && (1..=MAX_LOCAL_PART_CHARS).contains(&local.len());
        (fits && !dots && local.chars().all(atom) && is_public_domain(domain) && domain.split('.').all(label))
            .then_some(())
    };
    // Exactly one address is accepted, so that nobody can add a header field or a second recipient.
    valid().map(|()| address.to_owned()).ok_or_else(|| {
        format!(
            "{} is not an e-mail address such as mailto:finance@contoso.example",
            quoted(&format!("mailto:{address}"))
        )
    })
}

/// Tells whether a domain can have an address on the Internet: several labels below a public top level.
///
/// Source: IANA Special-Use Domain Names; `internal` is reserved by ICANN for private networks. `example` is allowed, because
/// it is what documents and tests use, and it reaches nobody.
fn is_public_domain(domain: &str) -> bool {
    const PRIVATE: [&str; 9] =
        ["alt", "arpa", "internal", "invalid", "local", "localdomain", "localhost", "onion", "test"];
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let is_whole = domain.split('.').all(|label| !label.is_empty());
    let top = domain.rsplit_once('.').map(|(_, top)| top);
    is_whole && top.is_some_and(|top| !PRIVATE.iter().any(|private| top.eq_ignore_ascii_case(private)))
}

/// Returns the IP address of a URL whose host is an address, in any spelling.
pub fn ip_literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Tells whether an address belongs to the public Internet.
///
/// Addresses that IANA's special-purpose registries name or that IANA has not allocated are not public. Addresses that embed
/// another address (mapped, 6to4, NAT64, Teredo) are refused as a whole.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network, private, loopback; the shared addresses of RFC 6598.
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            // Link-local addresses, which include the metadata services.
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // Protocol assignments, documentation, 6to4 relays, AS112 and benchmarks.
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 31, 196, _]
            | [192, 52, 193, _]
            | [192, 175, 48, _]
            | [198, 18..=19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            // Multicast, reserved, broadcast.
            | [224..=255, ..]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is allocated.
    segments[0] & 0xe000 == 0x2000
        && !matches!(
            segments,
            // Protocol assignments with Teredo and benchmarks (2001::/23), documentation, 6to4, documentation again.
            [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..]
                // The direct delegation of AS112.
                | [0x2620, 0x4f, 0x8000, ..]
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach() -> Reach {
        Reach::new(true, "")
    }

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2600::1",
            "2a00:1450:4007::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_webhook_is_https_to_a_public_host_without_secrets() {
        for good in [
            "https://portal.example/hook",
            "https://portal.example:8443/a?b=c",
            "https://portal.example./hook",
            "https://internal.example/",
            "https://localhost.example/",
            "https://8.8.8.8/",
            "https://[2600::1]/",
        ] {
            let parsed = Recipient::parse(good, &reach()).unwrap();
            assert_eq!(parsed.to_string(), good);
            assert_eq!(serde_json::from_value::<Recipient>(serde_json::to_value(&parsed).unwrap()).unwrap(), parsed);
        }
        for bad in [
            "http://portal.example/hook",
            "ftp://portal.example/",
            "portal.example",
            "https://portal.example/a b",
            "https://portal\r\n.example/",
            "",
            "https://",
            "https://user@portal.example/",
            "https://user:secret@portal.example/",
            "https://portal.example/#x",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://10.1.2.3:8443/",
            "https://%31%32%37.0.0.1/",
            "https://localhost/",
            "https://LOCALHOST:8443/hook",
            "https://localhost./",
            "https://app.localhost/",
            "https://portal/",
            "https://portal./",
            "https://portal../",
            "https://portal.local/",
            "https://portal.internal/",
            "https://ip-10-0-0-1.eu-west-3.compute.internal/",
            "https://portal.localdomain/",
            "https://portal.test/",
            "https://portal.invalid/",
            "https://1.0.0.127.in-addr.arpa/",
            "https://portal.example:0/",
            "javascript:alert(1)",
        ] {
            assert!(Recipient::parse(bad, &reach()).is_err(), "{bad}");
        }
        assert!(Recipient::parse(&format!("https://portal.example/{}", "x".repeat(2_048)), &reach()).is_err());
        assert!(Recipient::parse(&format!("https://portal.example/{}", "é".repeat(400)), &reach()).is_err());
    }

    #[test]
    fn an_email_recipient_is_exactly_one_address() {
        for good in ["finance@contoso.example", "a.b+c@x-y.example", "o'brien@contoso.example"] {
            let text = format!("mailto:{good}");
            assert_eq!(Recipient::parse(&text, &reach()), Ok(Recipient::Email(good.to_owned())));
        }
        for bad in [
            "",
            "finance",
            "finance@",
            "@contoso.example",
            "finance@contoso",
            "a@b@c.example ",
            "a b@c.example",
            "a@c.example,b@c.example",
            "a@c.example?cc=b@c.example",
            "a@c.example\r\nBcc: b@c.example",
            "a@c..example",
            ".a@c.example",
            "a.@c.example",
            "é@c.example",
            "a@-c.example",
            "\"a\"@c.example",
            "<a@c.example>",
            "a@[127.0.0.1]",
            "a@localhost",
            "a@mail.local",
            "a@mail.LocalHost",
            "a@mail.internal",
        ] {
            assert!(Recipient::parse(&format!("mailto:{bad}"), &reach()).is_err(), "{bad:?}");
        }
        let without = Reach::new(false, "");
        assert!(Recipient::parse("mailto:finance@contoso.example", &without).unwrap_err().contains("e-mail"));
    }

    #[test]
    fn only_test_hosts_may_have_private_addresses() {
        let reach = Reach::new(false, "127.0.0.1, receiver.test");
        for good in ["http://127.0.0.1:8080/hook", "http://receiver.test/", "https://127.0.0.1/"] {
            assert!(Recipient::parse(good, &reach).is_ok(), "{good}");
        }
        for bad in ["http://127.0.0.2/", "http://localhost/", "http://x.receiver.test/"] {
            assert!(Recipient::parse(bad, &reach).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_urls_and_addresses_are_inclusive() {
        let url =
            |length: usize| format!("https://portal.example/{}", "x".repeat(length - "https://portal.example/".len()));
        assert!(Recipient::parse(&url(MAX_URL_CHARS), &reach()).is_ok());
        assert!(Recipient::parse(&url(MAX_URL_CHARS + 1), &reach()).is_err());
        let address = |local: usize, label: usize, rest: usize| {
            format!("mailto:{}@{}.{}", "l".repeat(local), "d".repeat(label), vec!["example"; rest].join("."))
        };
        for (text, is_valid) in [
            (address(64, 63, 1), true),
            (address(65, 63, 1), false),
            (address(64, 64, 1), false),
            // 254 and 255 characters.
            (address(64, 61, 16), true),
            (address(64, 62, 16), false),
        ] {
            assert_eq!(Recipient::parse(&text, &reach()).is_ok(), is_valid, "{} {text}", text.len() - "mailto:".len());
        }
    }

    #[test]
    fn a_fingerprint_holds_no_address() {
        let recipient = Recipient::Email("finance@contoso.example".to_owned());
        assert_eq!(recipient.fingerprint(), crate::text::hex(&Sha256::digest("mailto:finance@contoso.example")[..8]));
        assert_eq!(recipient.fingerprint().len(), 16);
        assert_eq!(serde_json::from_value::<Recipient>(serde_json::to_value(&recipient).unwrap()).unwrap(), recipient);
    }
}
