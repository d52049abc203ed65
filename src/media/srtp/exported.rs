//! Keys that a DTLS handshake made: how its exported bytes are cut (RFC 5764 4.2, RFC 7714 12).

use super::MasterKey;
use super::sdes::SrtpKeys;
use super::suite::Suite;

impl SrtpKeys {
    /// Client's key, server's key, client's salt, server's salt. `None` where they are not of the suite's length.
    pub fn exported(suite: Suite, bytes: &[u8], we_are_client: bool) -> Option<Self> {
        let (key, salt) = (suite.key_length(), suite.salt_length());
        if bytes.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = bytes.split_at(2 * key);
        let side = |number: usize| {
            let parts = [&keys[number * key..][..key], &salts[number * salt..][..salt]];
            MasterKey::new(suite, &parts.concat())
        };
        let (client, server) = (side(0)?, side(1)?);
        let (local, remote) = if we_are_client { (client, server) } else { (server, client) };
        Some(Self { tag: 0, local, remote, mki: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_cut_the_same() {
        for suite in Suite::ALL {
            let (key, salt) = (suite.key_length(), suite.salt_length());
            let bytes: Vec<u8> = [(1, key), (2, key), (3, salt), (4, salt)]
                .iter()
                .flat_map(|&(byte, count)| vec![byte; count])
                .collect();
            let client = SrtpKeys::exported(suite, &bytes, true).unwrap();
            let server = SrtpKeys::exported(suite, &bytes, false).unwrap();
            assert_eq!(client.local.bytes(), [vec![1; key], vec![3; salt]].concat());
            assert_eq!(client.remote.bytes(), [vec![2; key], vec![4; salt]].concat());
            assert_eq!((client.local, client.remote), (server.remote, server.local));
            assert_eq!(SrtpKeys::exported(suite, &bytes[1..], true), None);
        }
    }
}
