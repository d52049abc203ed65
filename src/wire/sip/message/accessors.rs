//! Typed headers of a message, read on demand. Headers that must be there once say what is wrong; lists that only inform
//! (Supported, Allow, Warning, ..) leave out what cannot be read.

use bytes::Bytes;

use super::super::MAX_VALUES;
use super::super::header::{
    AuthParams, CSeq, Contacts, EventValue, HeaderError, HeaderName, MediaType, MinSe, NameAddr, RAck, ReasonValue,
    Replaces, RetryAfter, SessionExpires, SipDate, SubscriptionState, Timestamp, UserToUser, Via, Warning,
};
use super::super::text::{Text, decimal, is_token_byte, trim};
use super::{Headers, Method};

impl Headers {
    /// The only line of this name; an error where there are two.
    fn single(&self, name: HeaderName) -> Result<Option<&Bytes>, HeaderError> {
        let (first, second) = {
            let mut lines = self.lines(&name);
            (lines.next(), lines.next())
        };
        if second.is_some() { Err(HeaderError::repeated(name)) } else { Ok(first) }
    }
    fn mandatory<T>(&self, name: HeaderName, read: impl Fn(&Bytes) -> Option<T>) -> Result<T, HeaderError> {
        let value = self.single(name.clone())?.ok_or_else(|| HeaderError::missing(name.clone()))?;
        read(value).ok_or(HeaderError::bad(name))
    }
    fn optional<T>(&self, name: HeaderName, read: impl Fn(&Bytes) -> Option<T>) -> Result<Option<T>, HeaderError> {
        match self.single(name.clone())? {
            Some(value) => read(value).map(Some).ok_or(HeaderError::bad(name)),
            None => Ok(None),
        }
    }
    fn list<T>(&self, name: HeaderName, read: impl Fn(&Bytes) -> Option<T>) -> Result<Vec<T>, HeaderError> {
        let mut list = Vec::new();
        for value in self.values(&name) {
            if list.len() == MAX_VALUES {
                return Err(HeaderError { name, problem: "Too Many" });
            }
            list.push(read(&value).ok_or_else(|| HeaderError::bad(name.clone()))?);
        }
        Ok(list)
    }
    fn readable<T>(&self, name: HeaderName, read: impl Fn(&Bytes) -> Option<T>) -> Vec<T> {
        self.values(&name).take(MAX_VALUES).filter_map(|value| read(&value)).collect()
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, HeaderError> {
        let value = self.values(&HeaderName::Via).next().ok_or_else(|| HeaderError::missing(HeaderName::Via))?;
        Via::parse(&value).ok_or(HeaderError::bad(HeaderName::Via))
    }
    /// Every Via, topmost first; at least one.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        let vias = self.list(HeaderName::Via, Via::parse)?;
        if vias.is_empty() { Err(HeaderError::missing(HeaderName::Via)) } else { Ok(vias) }
    }
    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.mandatory(HeaderName::From, NameAddr::parse)
    }
    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.mandatory(HeaderName::To, NameAddr::parse)
    }
    /// Call-ID.
    pub fn call_id(&self) -> Result<Text, HeaderError> {
        self.mandatory(HeaderName::CallId, |value| {
            // One word, or two with an @ between; whatever is visible is taken.
            let legal = !value.is_empty() && value.iter().all(|byte| *byte > b' ' && *byte != 0x7F);
            Text::from_bytes(value.clone()).filter(|_| legal)
        })
    }
    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.mandatory(HeaderName::CSeq, CSeq::parse)
    }
    /// Max-Forwards, 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.optional(HeaderName::MaxForwards, |value| u8::try_from(decimal(value)?).ok())
    }

    /// Every Contact.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut lines = self.lines(&HeaderName::Contact);
        if lines.next().is_some_and(|value| &value[..] == b"*") {
            let alone = lines.next().is_none();
            return if alone { Ok(Contacts::Star) } else { Err(HeaderError::bad(HeaderName::Contact)) };
        }
        self.list(HeaderName::Contact, NameAddr::parse).map(Contacts::List)
    }
    /// The first Contact: where requests within a dialog go.
    pub fn contact(&self) -> Result<Option<NameAddr>, HeaderError> {
        Ok(self.contacts()?.first().cloned())
    }
    /// Every Route, first hop first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::Route, NameAddr::parse)
    }
    /// Every Record-Route, topmost first.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::RecordRoute, NameAddr::parse)
    }
    /// Every P-Asserted-Identity (RFC 3325): one SIP, one telephone number at most in good order.
    pub fn p_asserted_identity(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::PAssertedIdentity, NameAddr::parse)
    }
    /// Every Diversion (RFC 5806), latest first.
    pub fn diversion(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::Diversion, NameAddr::parse)
    }
    /// Every History-Info (RFC 7044), oldest first.
    pub fn history_info(&self) -> Vec<NameAddr> {
        self.readable(HeaderName::HistoryInfo, NameAddr::parse)
    }
    /// What the caller wants to be kept private (RFC 3323): `id`, `user`, `header`, `none` and others.
    pub fn privacy(&self) -> Vec<Text> {
        let words = self.lines(&HeaderName::Privacy).flat_map(|line| line.split(|byte| b";,".contains(byte)));
        words.take(MAX_VALUES).filter_map(|word| Text::from_bytes(Bytes::copy_from_slice(trim(word)))).collect()
    }
    /// Refer-To.
    pub fn refer_to(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.optional(HeaderName::ReferTo, NameAddr::parse)
    }
    /// Referred-By.
    pub fn referred_by(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.optional(HeaderName::ReferredBy, NameAddr::parse)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional(HeaderName::ContentType, MediaType::parse)
    }
    /// Expires in seconds; what does not fit counts as the largest number (RFC 4475 3.1.2.4).
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional(HeaderName::Expires, parse_clamped)
    }
    /// Min-Expires in seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional(HeaderName::MinExpires, parse_clamped)
    }
    /// Min-SE.
    pub fn min_se(&self) -> Result<Option<MinSe>, HeaderError> {
        self.optional(HeaderName::MinSe, MinSe::parse)
    }
    /// Session-Expires.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        self.optional(HeaderName::SessionExpires, SessionExpires::parse)
    }
    /// RSeq.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.optional(HeaderName::RSeq, |value| u32::try_from(decimal(value)?).ok())
    }
    /// RAck.
    pub fn rack(&self) -> Result<Option<RAck>, HeaderError> {
        self.optional(HeaderName::RAck, RAck::parse)
    }
    /// Replaces.
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        self.optional(HeaderName::Replaces, Replaces::parse)
    }
    /// Event.
    pub fn event(&self) -> Result<Option<EventValue>, HeaderError> {
        self.optional(HeaderName::Event, EventValue::parse)
    }
    /// Subscription-State.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.optional(HeaderName::SubscriptionState, SubscriptionState::parse)
    }
    /// Retry-After.
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, HeaderError> {
        self.optional(HeaderName::RetryAfter, RetryAfter::parse)
    }
    /// Timestamp.
    pub fn timestamp(&self) -> Result<Option<Timestamp>, HeaderError> {
        self.optional(HeaderName::Timestamp, Timestamp::parse)
    }
    /// Date.
    pub fn date(&self) -> Result<Option<SipDate>, HeaderError> {
        self.optional(HeaderName::Date, SipDate::parse)
    }

    fn option_tags(&self, name: HeaderName) -> Vec<Text> {
        self.readable(name, |value| {
            let token = value.iter().all(|byte| is_token_byte(*byte));
            Text::from_bytes(value.clone()).filter(|_| token)
        })
    }
    /// Option tags that the other side insists on. One that is no token counts as one that nobody supports.
    pub fn require(&self) -> Vec<Text> {
        self.readable(HeaderName::Require, |value| Text::from_bytes(value.clone()).or(Some(Text::from_static("?"))))
    }
    /// Option tags that a proxy must support.
    pub fn proxy_require(&self) -> Vec<Text> {
        self.option_tags(HeaderName::ProxyRequire)
    }
    /// Option tags that the other side supports.
    pub fn supported(&self) -> Vec<Text> {
        self.option_tags(HeaderName::Supported)
    }
    /// True where this option tag is among Supported or Require.
    pub fn supports(&self, tag: &str) -> bool {
        [HeaderName::Supported, HeaderName::Require]
            .iter()
            .any(|name| self.values(name).any(|value| value.eq_ignore_ascii_case(tag.as_bytes())))
    }
    /// Option tags that were refused.
    pub fn unsupported(&self) -> Vec<Text> {
        self.option_tags(HeaderName::Unsupported)
    }
    /// Methods that the other side takes.
    pub fn allow(&self) -> Vec<Method> {
        self.option_tags(HeaderName::Allow).into_iter().map(Method::from).collect()
    }
    /// Media types that the other side takes; none named means `application/sdp` (RFC 3261 20.1).
    pub fn accept(&self) -> Vec<MediaType> {
        self.readable(HeaderName::Accept, MediaType::parse)
    }
    /// Why a request was sent.
    pub fn reasons(&self) -> Vec<ReasonValue> {
        self.readable(HeaderName::Reason, ReasonValue::parse)
    }
    /// What is wrong with a request beyond the status.
    pub fn warnings(&self) -> Vec<Warning> {
        self.readable(HeaderName::Warning, Warning::parse)
    }
    /// Facts that travel with the call.
    pub fn user_to_user(&self) -> Vec<UserToUser> {
        self.readable(HeaderName::UserToUser, UserToUser::parse)
    }
    /// Challenges of a WWW-Authenticate or Proxy-Authenticate, one a line, in the order of preference.
    pub fn challenges(&self, name: &HeaderName) -> Vec<AuthParams> {
        self.lines(name).take(MAX_VALUES).filter_map(AuthParams::parse).collect()
    }
    /// Credentials of an Authorization or Proxy-Authorization, one a line.
    pub fn credentials(&self, name: &HeaderName) -> Vec<AuthParams> {
        self.challenges(name)
    }
}

/// Seconds; too many of them count as the most that fit.
fn parse_clamped(value: &Bytes) -> Option<u32> {
    let digits = trim(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(decimal(digits).and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(u32::MAX))
}
