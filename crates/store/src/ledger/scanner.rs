//! A scanner of JSON that borrows from the text, for answers whose form is known.

/// Reads JSON from its beginning to its end. A step returns nothing if the text holds something else.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A string in JSON, without its quotes.
#[derive(Clone, Copy)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a str,
    pub(super) has_escapes: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    pub(super) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.expect(b'"')?;
        self.rest_of_quoted()
    }

    /// Reads a string from behind its first quote.
    fn rest_of_quoted(&mut self) -> Option<Quoted<'a>> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let found = memchr::memchr2(b'"', b'\\', rest)?;
            self.at += found + 1;
            if rest[found] == b'"' {
                return Some(Quoted { raw: self.text.get(start..self.at - 1)?, has_escapes });
            }
            has_escapes = true;
            // An escaped quote does not end the string.
            self.at += 1;
        }
    }

    /// Reads a string without escapes.
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let Quoted { raw, has_escapes } = self.quoted()?;
        (!has_escapes).then_some(raw)
    }

    /// Reads an object. `member` reads each value.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.members(|scanner| {
            let name = scanner.plain()?;
            scanner.expect(b':')?;
            member(scanner, name)
        })
    }

    /// Reads an object. `member` reads each name and value.
    pub(super) fn members(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.peek()?;
            member(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads an array. `element` reads each element.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.peek()?;
            element(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Skips any value, however deep.
    pub(super) fn skip(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    /// Reads a value of DynamoDB: the letter of its type, and its text.
    pub(super) fn value(&mut self) -> Option<(u8, Quoted<'a>)> {
        self.expect(b'{')?;
        let &[kind] = self.plain()?.as_bytes() else { return None };
        self.expect(b':')?;
        let text = self.quoted()?;
        self.expect(b'}')?;
        Some((kind, text))
    }

    /// Reads an attribute: its name, the letter of its type, its text.
    pub(super) fn attribute(&mut self) -> Option<(&'a str, u8, Quoted<'a>)> {
        if let Some(attribute) = self.compact_attribute() {
            return Some(attribute);
        }
        let name = self.plain()?;
        self.expect(b':')?;
        let (kind, text) = self.value()?;
        Some((name, kind, text))
    }

    /// Reads an attribute in the form in which DynamoDB writes most, `"u":{"S":"ana"}`. Leaves any other form alone.
    fn compact_attribute(&mut self) -> Option<(&'a str, u8, Quoted<'a>)> {
        let begun_at = self.at;
        let rest = self.text.as_bytes().get(begun_at..)?;
        let (length, value) = match rest {
            [b'"', _, b'"', value @ ..] => (1, value),
            [b'"', _, _, b'"', value @ ..] => (2, value),
            _ => return None,
        };
        let [b':', b'{', b'"', kind, b'"', b':', b'"', ..] = value else { return None };
        let name = self.text.get(begun_at + 1..begun_at + 1 + length)?;
        self.at += length + 9;
        match self.rest_of_quoted() {
            Some(text) if self.text.as_bytes().get(self.at) == Some(&b'}') => {
                self.at += 1;
                Some((name, *kind, text))
            }
            _ => {
                self.at = begun_at;
                None
            }
        }
    }
}

/// Appends the meaning of a JSON string (RFC 8259, section 7); nothing if an escape is invalid.
pub(super) fn unescape(raw: &str, out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        out.push(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = unit(&mut rest)?;
                let units = match first {
                    0xd800..0xdc00 => {
                        rest = rest.strip_prefix("\\u")?;
                        [first, unit(&mut rest)?]
                    }
                    _ => [first, 0],
                };
                let length = if units[1] == 0 { 1 } else { 2 };
                char::decode_utf16(units.into_iter().take(length)).next()?.ok()?
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(())
}

/// Takes four hexadecimal digits from the front.
fn unit(rest: &mut &str) -> Option<u16> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    *rest = behind;
    all.then(|| u16::from_str_radix(digits, 16).ok())?
}
