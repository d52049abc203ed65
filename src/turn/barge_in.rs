//! Caller speech over the bot's voice: long enough, it stops the bot. Not during notices that must be heard whole.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When the bot yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BargeInConfig {
    /// False where the bot always finishes.
    pub enabled: bool,
    /// Caller speech over the bot that stops it, ms.
    pub speech_ms: u32,
}

impl Default for BargeInConfig {
    fn default() -> Self {
        Self { enabled: true, speech_ms: 200 }
    }
}

/// What can happen to it.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The bot's voice is on the line.
    BotStarted {
        /// False for a notice that is to be heard whole.
        interruptible: bool,
    },
    /// The bot is silent again.
    BotEnded,
    /// The caller speaks since then.
    SpeechStarted {
        /// First sound.
        since: Instant,
    },
    /// The caller's sound has gone, perhaps only for a moment: no time to yield.
    Wavered,
    /// It was only a moment.
    Steadied,
    /// The caller pauses.
    SpeechEnded,
    /// A deadline may have passed.
    Timeout,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Stop the bot. Said once for each time that the bot speaks.
    Yield,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The caller goes on speaking.
    LongEnough,
}

#[derive(Clone, Copy, Debug)]
enum Bot {
    Silent,
    Speaking {
        since: Instant,
    },
    /// Speaking a notice, or told to stop already.
    Deaf,
}

#[derive(Clone, Copy, Debug)]
enum Caller {
    Silent,
    Speaking { since: Instant },
    Wavering { since: Instant },
}

impl Caller {
    fn wavers(self, wavers: bool) -> Self {
        match self {
            Self::Silent => Self::Silent,
            Self::Speaking { since } | Self::Wavering { since } if wavers => Self::Wavering { since },
            Self::Speaking { since } | Self::Wavering { since } => Self::Speaking { since },
        }
    }
}

/// The machine: two voices, each its own.
#[derive(Debug)]
pub struct BargeIn {
    config: BargeInConfig,
    bot: Bot,
    caller: Caller,
    outputs: VecDeque<Output>,
}

impl BargeIn {
    /// With nobody speaking.
    pub fn new(config: BargeInConfig) -> Self {
        Self { config, bot: Bot::Silent, caller: Caller::Silent, outputs: VecDeque::with_capacity(1) }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.on_time(now);
        match input {
            Input::BotStarted { interruptible: true } => self.bot = Bot::Speaking { since: now },
            Input::BotStarted { interruptible: false } => self.bot = Bot::Deaf,
            Input::BotEnded => self.bot = Bot::Silent,
            Input::SpeechStarted { since } => self.caller = Caller::Speaking { since },
            Input::Wavered | Input::Steadied => self.caller = self.caller.wavers(matches!(input, Input::Wavered)),
            Input::SpeechEnded => self.caller = Caller::Silent,
            Input::Timeout => {}
        }
        self.on_time(now);
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the bot yields if the caller goes on.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        match (self.bot, self.caller) {
            // Speech from before the bot began does not count against it.
            (Bot::Speaking { since: bot }, Caller::Speaking { since: caller }) if self.config.enabled => {
                let both = bot.max(caller);
                Some((both + Duration::from_millis(u64::from(self.config.speech_ms)), Why::LongEnough))
            }
            (
                Bot::Speaking { .. } | Bot::Silent | Bot::Deaf,
                Caller::Speaking { .. } | Caller::Wavering { .. } | Caller::Silent,
            ) => None,
        }
    }

    fn on_time(&mut self, now: Instant) {
        if self.deadline().is_some_and(|(due, _)| now >= due) {
            self.bot = Bot::Deaf;
            self.outputs.push_back(Output::Yield);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// When the bot yields, in ms, for a caller who speaks from 1000 (first sound; seen at 1064) to `until`.
    fn yields(bot_at: u64, interruptible: bool, until: u64, enabled: bool) -> Option<u64> {
        let start = Instant::now();
        let mut machine = BargeIn::new(BargeInConfig { enabled, ..BargeInConfig::default() });
        for step in 0..3000 {
            let now = start + ms(step);
            if step == bot_at {
                machine.handle(now, Input::BotStarted { interruptible });
            }
            if step == 1064 {
                machine.handle(now, Input::SpeechStarted { since: start + ms(1000) });
            }
            if step == until {
                machine.handle(now, Input::SpeechEnded);
            }
            machine.handle(now, Input::Timeout);
            if machine.poll().is_some() {
                assert_eq!(machine.poll(), None);
                return Some(step);
            }
        }
        None
    }

    #[test]
    fn the_bot_yields_to_speech_and_to_nothing_less() {
        assert_eq!(yields(0, true, 2500, true), Some(1200), "over a prompt");
        assert_eq!(yields(0, true, 1150, true), None, "a cough");
        assert_eq!(yields(0, false, 2500, true), None, "a notice");
        assert_eq!(yields(0, true, 2500, false), None, "switched off");
        assert_eq!(yields(1500, true, 2500, true), Some(1700), "the bot began while the caller spoke");
    }

    #[test]
    fn the_tail_of_a_cough_is_no_speech() {
        let start = Instant::now();
        let mut machine = BargeIn::new(BargeInConfig::default());
        machine.handle(start, Input::BotStarted { interruptible: true });
        machine.handle(start + ms(64), Input::SpeechStarted { since: start });
        machine.handle(start + ms(160), Input::Wavered);
        machine.handle(start + ms(230), Input::Timeout);
        assert_eq!((machine.poll(), machine.deadline()), (None, None));
        machine.handle(start + ms(231), Input::Steadied);
        assert_eq!(machine.poll(), Some(Output::Yield), "a word with a stop consonant in it");
    }

    #[test]
    fn it_says_so_once() {
        let start = Instant::now();
        let mut machine = BargeIn::new(BargeInConfig::default());
        machine.handle(start, Input::BotStarted { interruptible: true });
        machine.handle(start, Input::SpeechStarted { since: start });
        machine.handle(start + ms(200), Input::Timeout);
        assert_eq!(machine.poll(), Some(Output::Yield));
        machine.handle(start + ms(900), Input::Timeout);
        assert_eq!((machine.poll(), machine.deadline()), (None, None));
    }
}
