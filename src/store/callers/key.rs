//! Under what a caller is kept: HMAC-SHA256 (RFC 2104, FIPS 180-4) of the number, with the configuration's secret. A plain hash would be
//! undone by trying all numbers; this is, only by who has the secret.

use sha2::{Digest, Sha256};

/// Block of SHA-256, bytes.
const BLOCK: usize = 64;
/// Fewest digits of a number that belongs to one caller.
const DIGITS: usize = 7;
/// Most digits (ITU-T E.164: 15), with an international prefix.
const MOST_DIGITS: usize = 20;

/// Key of a caller.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerKey([u8; 32]);

impl CallerKey {
    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for CallerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallerKey")
    }
}

/// Makes keys.
#[derive(Clone)]
pub struct KeyRing {
    inner: Sha256,
    outer: Sha256,
    country_code: String,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    /// With this secret, in this country.
    pub fn new(secret: &[u8], country_code: &str) -> Self {
        let mut block = [0; BLOCK];
        if secret.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(secret));
        } else {
            block[..secret.len()].copy_from_slice(secret);
        }
        let padded = |pad: u8| Sha256::new().chain_update(block.map(|byte| byte ^ pad));
        Self { inner: padded(0x36), outer: padded(0x5c), country_code: country_code.to_owned() }
    }

    /// Key of a number; `None` where it is no number of one caller.
    pub fn of(&self, number: &str) -> Option<CallerKey> {
        Some(CallerKey(self.hash(self.normal(number)?.as_bytes())))
    }

    fn hash(&self, text: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(text).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }

    /// `+852 9123 4567`, `0085291234567`, `85291234567` and `91234567` are one number.
    fn normal(&self, number: &str) -> Option<String> {
        let number = number.trim();
        let plus = number.starts_with('+');
        let rest = number.strip_prefix('+').unwrap_or(number);
        if !rest.chars().all(|c| c.is_ascii_digit() || " -.()".contains(c)) {
            return None;
        }
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        if !(DIGITS..=MOST_DIGITS).contains(&digits.len()) {
            return None;
        }
        let abroad = if plus { Some(digits.as_str()) } else { digits.strip_prefix("00") };
        let national = abroad.unwrap_or(&digits).strip_prefix(self.country_code.as_str());
        match (national, abroad) {
            // A number without + may begin like the country's code: then it is no longer than numbers are.
            (Some(national), _) if national.len() > DIGITS => Some(national.to_owned()),
            (_, Some(abroad)) => Some(format!("+{abroad}")),
            (_, None) => Some(digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_rfc_4231_has_it() {
        let table: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (secret, text, expected) in table {
            assert_eq!(hex::encode(KeyRing::new(secret, "852").hash(text)), expected);
        }
    }

    #[test]
    fn one_number_in_all_its_forms_is_one_caller() {
        let keys = KeyRing::new(b"a secret of some length", "852");
        let table = [
            ("91234567", Some("91234567")),
            ("+852 9123 4567", Some("91234567")),
            ("0085291234567", Some("91234567")),
            ("85291234567", Some("91234567")),
            ("(852) 9123-4567", Some("91234567")),
            ("85212345", Some("85212345")),
            ("+8613812345678", Some("+8613812345678")),
            ("008613812345678", Some("+8613812345678")),
            ("anonymous", None),
            ("alice", None),
            ("6001", None),
            ("", None),
            ("+", None),
            ("123456789012345678901", None),
        ];
        for (number, expected) in table {
            assert_eq!(keys.normal(number).as_deref(), expected, "{number}");
        }
        assert_ne!(keys.of("91234567"), KeyRing::new(b"another secret of it", "852").of("91234567"));
    }
}
