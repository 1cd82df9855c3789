//! Record padding policy (RFC 9846 5.4): how many zero octets follow the content type octet of an application data record.

/// When and how far to pad application data records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Padding {
    /// No padding.
    #[default]
    None,
    /// Content, content type and padding together are a multiple of this many octets.
    Multiple(usize),
    /// Every record is as long as the peer allows.
    Full,
}

impl Padding {
    /// Length of content type octet plus padding for a content of `content` octets, where `limit` is the longest inner plaintext.
    #[must_use]
    pub fn trailer(self, content: usize, limit: usize) -> usize {
        let inner = match self {
            Self::None => content + 1,
            Self::Multiple(unit) => (content + 1).div_ceil(unit.max(1)) * unit.max(1),
            Self::Full => limit,
        };
        inner.min(limit).max(content + 1) - content
    }
}

#[cfg(test)]
mod tests {
    use super::Padding;

    #[test]
    fn trailer_holds_the_type_and_stays_in_the_limit() {
        assert_eq!(Padding::None.trailer(10, 100), 1);
        assert_eq!(Padding::Multiple(16).trailer(15, 100), 1);
        assert_eq!(Padding::Multiple(16).trailer(16, 100), 16);
        assert_eq!(Padding::Multiple(64).trailer(65, 100), 35);
        assert_eq!(Padding::Full.trailer(1, 100), 99);
        assert_eq!(Padding::Full.trailer(99, 100), 1);
    }
}
