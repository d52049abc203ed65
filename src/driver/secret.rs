//! The system's random source, for what must not be guessed: media keys.

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoSecret(getrandom::Error);

/// 256 bits that nobody knows.
pub fn fresh() -> Result<[u8; 32], NoSecret> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(NoSecret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_the_same() {
        assert_ne!(super::fresh().unwrap(), super::fresh().unwrap());
    }
}
