//! The company's PBX as a call sees it: agents' telephones that ring, answer, refuse or say nothing, as their script has it.

/// What an agent does when the telephone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Answers after so many ms and then does this.
    Answers(u64, Then),
    /// The telephone rings, and rings.
    NoAnswer,
    /// The telephone rings with media before the answer (a 183 with SDP), and is not answered.
    Announces,
    /// The PBX refuses at once.
    Refuses(u16),
    /// The PBX says nothing at all; the endpoint gives up after so many ms with 408.
    Silent(u64),
}

/// What an agent does after answering; times in ms from the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Presses 1.
    Accepts(u64),
    /// Presses 1 by INFO.
    AcceptsByInfo(u64),
    /// Presses 2.
    Declines(u64),
    /// Presses nothing.
    SaysNothing,
    /// Hangs up.
    HangsUp(u64),
    /// Accepts, talks, hangs up.
    AcceptsThenHangsUp(u64, u64),
}
