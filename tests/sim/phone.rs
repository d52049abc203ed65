//! A telephone: a real stream, a script of what its person says and presses, and an ear that remembers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tingwa::audio::frame::Frame;
use tingwa::media::negotiate::{self, LocalDtls, LocalMedia, Negotiated};
use tingwa::media::srtp::sdes::{KeySource, Security, Srtp};
use tingwa::media::stream::{self, Stream, StreamConfig};

use super::hands::{self, Hands, Page};

pub struct Phone {
    pub local: LocalMedia,
    pub stream: Option<Stream>,
    /// What is still to be said, 8 kHz.
    saying: std::collections::VecDeque<i16>,
    /// Everything heard since the stream began, 8 kHz.
    pub heard: Vec<i16>,
    pub digits_heard: Vec<char>,
    /// RTP as it was on the wire, sent and received.
    pub wire_sent: Vec<Vec<u8>>,
    pub wire_heard: Vec<Vec<u8>>,
    /// Of an INVITE that rings.
    pub pending_offer: Vec<u8>,
    seed: u64,
    /// Where it is a browser's page.
    page: Option<Page>,
}

impl Phone {
    pub fn new(address: SocketAddr, seed: u64) -> Self {
        Self::with(LocalMedia::new(address, seed), seed)
    }

    /// One that encrypts, or may.
    pub fn secured(address: SocketAddr, seed: u64, srtp: Srtp) -> Self {
        let secret = [seed.to_le_bytes()[0]; 32];
        let security = Security::new(srtp, KeySource::new(secret, 0));
        Self::with(LocalMedia::new(address, seed).secured(security), seed)
    }

    fn with(local: LocalMedia, seed: u64) -> Self {
        Self {
            local,
            stream: None,
            saying: Default::default(),
            heard: Vec::new(),
            digits_heard: Vec::new(),
            wire_sent: Vec::new(),
            wire_heard: Vec::new(),
            pending_offer: Vec::new(),
            seed,
            page: None,
        }
    }

    /// The same as a page. An impostor: with a fingerprint that is not its own.
    pub fn into_page(mut self, hands: Option<Box<dyn Hands>>, impostor: bool) -> Self {
        let Some(hands) = hands else { return self };
        let fingerprint = if impostor { tingwa::call::Fingerprint([0; 32]) } else { hands.fingerprint() };
        let keys = KeySource::new([self.seed.to_le_bytes()[0]; 32], 1);
        self.local.dtls = Some(LocalDtls::new(fingerprint, keys, true));
        self.page = Some(Page::new(hands));
        self
    }

    /// The gateway's description has come: the page's own path is nominated, too, and its checks begin.
    fn found(&mut self, now: Instant, sdp: &[u8], negotiated: &Negotiated) {
        let (Some(page), Some(terms)) = (&mut self.page, negotiated.dtls) else { return };
        page.learn(now, sdp);
        let check = hands::check(terms.ice.ufrag(), terms.ice.password());
        if let Some(stream) = &mut self.stream {
            stream.handle(now, stream::Input::Rtp { from: hands::gateway(sdp), bytes: &check });
        }
    }

    pub fn begin(&mut self, now: Instant, negotiated: Negotiated) {
        match &mut self.stream {
            Some(stream) => stream.renegotiate(now, negotiated),
            None => {
                let patience = Duration::from_secs(3600);
                let config =
                    StreamConfig { negotiated, peer: None, cname: "phone".to_owned(), seed: self.seed, patience };
                self.stream = Some(Stream::new(config, now));
            }
        }
    }

    pub fn offer(&mut self) -> Vec<u8> {
        negotiate::offer(&mut self.local)
    }

    pub fn accept(&mut self, now: Instant, answer: &[u8]) {
        let negotiated = negotiate::accept(answer, &mut self.local).expect("an answer that fits the offer");
        self.begin(now, negotiated);
        self.found(now, answer, &negotiated);
    }

    pub fn answer(&mut self, now: Instant, offer: &[u8]) -> Vec<u8> {
        let (negotiated, body) = negotiate::answer(offer, &mut self.local).expect("an offer that can be answered");
        self.begin(now, negotiated);
        self.found(now, offer, &negotiated);
        body
    }

    pub fn say(&mut self, samples: &[i16]) {
        self.saying.extend(samples);
    }

    pub fn press(&mut self, now: Instant, digit: char) {
        if let Some(stream) = &mut self.stream {
            stream.handle(now, stream::Input::SendDigit { digit, ms: 100 });
        }
    }

    /// 20 ms pass.
    pub fn tick(&mut self, now: Instant) {
        let mut frame = Frame::default();
        for sample in &mut frame.0 {
            *sample = self.saying.pop_front().unwrap_or(0);
        }
        let Some(stream) = &mut self.stream else { return };
        let heard = stream.pull(now);
        self.heard.extend_from_slice(&heard.0);
        stream.handle(now, stream::Input::Send(&frame));
        stream.handle(now, stream::Input::Timeout);
        if let Some(page) = &mut self.page {
            page.check(now);
            let (packets, keys) = page.hands.shake(now, None, &[]);
            page.sent.extend(packets);
            if let Some(keys) = keys {
                stream.handle(now, stream::Input::Keys(keys));
            }
        }
    }

    pub fn take(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], control: bool) {
        if !control {
            self.wire_heard.push(bytes.to_vec());
        }
        let Some(stream) = &mut self.stream else { return };
        let input = if control { stream::Input::Rtcp { from, bytes } } else { stream::Input::Rtp { from, bytes } };
        stream.handle(now, input);
    }

    /// Datagrams to send: whether RTCP, and the bytes.
    pub fn poll(&mut self, now: Instant) -> Vec<(bool, Vec<u8>)> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.stream.as_mut().and_then(Stream::poll) {
            match output {
                stream::Output::Transmit { datagram, .. } => {
                    self.wire_sent.push(datagram.as_bytes().to_vec());
                    datagrams.push((false, datagram.as_bytes().to_vec()));
                }
                stream::Output::TransmitRtcp { datagram, .. } => datagrams.push((true, datagram.as_bytes().to_vec())),
                stream::Output::Digit(digit) => self.digits_heard.push(digit),
                stream::Output::Handshake { terms, bytes, .. } => {
                    let page = self.page.as_mut().expect("only pages shake hands");
                    let (packets, keys) = page.hands.shake(now, Some(terms), &bytes);
                    page.sent.extend(packets);
                    if let (Some(keys), Some(stream)) = (keys, &mut self.stream) {
                        stream.handle(now, stream::Input::Keys(keys));
                    }
                }
                stream::Output::Pass(_)
                | stream::Output::Heard(_)
                | stream::Output::Lost
                | stream::Output::Resumed
                | stream::Output::Ready => {}
            }
        }
        datagrams.extend(self.page.iter_mut().flat_map(|page| page.sent.drain(..)).map(|bytes| (false, bytes)));
        datagrams
    }
}
