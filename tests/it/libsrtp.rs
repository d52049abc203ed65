//! Our SRTP beside libsrtp2, the one that Asterisk and most others use (Debian: `libsrtp2-1`): the same bytes out for the
//! same bytes in, and each opens what the other protects. Where the library is not installed this says so and ends.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr::null_mut;

use tingwa::media::srtp::sdes::CryptoLine;
use tingwa::media::srtp::{MasterKey, Protector, Suite, Unprotector};

/// `srtp_crypto_policy_t` of libsrtp2 2.x.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CryptoPolicy {
    cipher_type: u32,
    cipher_key_len: c_int,
    auth_type: u32,
    auth_key_len: c_int,
    auth_tag_len: c_int,
    sec_serv: c_uint,
}

/// `srtp_master_key_t`.
#[repr(C)]
struct Key {
    key: *mut u8,
    mki_id: *mut u8,
    mki_size: c_uint,
}

/// `srtp_policy_t`.
#[repr(C)]
struct Policy {
    ssrc_type: c_uint,
    ssrc: c_uint,
    rtp: CryptoPolicy,
    rtcp: CryptoPolicy,
    key: *mut u8,
    keys: *mut *mut Key,
    num_master_keys: c_ulong,
    deprecated_ekt: *mut c_void,
    window_size: c_ulong,
    allow_repeat_tx: c_int,
    enc_xtn_hdr: *mut c_int,
    enc_xtn_hdr_count: c_int,
    next: *mut Policy,
}

const ANY_INBOUND: c_uint = 2;
const ANY_OUTBOUND: c_uint = 3;

type Set = unsafe extern "C" fn(*mut CryptoPolicy);
type Create = unsafe extern "C" fn(*mut *mut c_void, *const Policy) -> c_int;
type Work = unsafe extern "C" fn(*mut c_void, *mut u8, *mut c_int) -> c_int;
type WorkMki = unsafe extern "C" fn(*mut c_void, *mut u8, *mut c_int, c_uint, c_uint) -> c_int;

struct Library(*mut c_void);

impl Library {
    fn open() -> Option<Self> {
        // SAFETY: a plain load by name; the library has no constructors beyond OpenSSL's.
        let handle = unsafe { libc::dlopen(c"libsrtp2.so.1".as_ptr(), libc::RTLD_NOW) };
        let library = (!handle.is_null()).then_some(Self(handle))?;
        // SAFETY: the type is that of srtp.h.
        let init: unsafe extern "C" fn() -> c_int = unsafe { std::mem::transmute(library.symbol(c"srtp_init")) };
        assert_eq!(unsafe { init() }, 0, "srtp_init");
        Some(library)
    }

    fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is open.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr().cast::<c_char>()) };
        assert!(!symbol.is_null(), "{name:?} is missing");
        symbol
    }

    fn policy(&self, suite: Suite) -> (CryptoPolicy, CryptoPolicy) {
        let setter = |name: &CStr| {
            // SAFETY: all setters have this type.
            let set: Set = unsafe { std::mem::transmute(self.symbol(name)) };
            let mut policy = CryptoPolicy::default();
            // SAFETY: it writes one policy.
            unsafe { set(&raw mut policy) };
            policy
        };
        match suite {
            Suite::AesCm80 => {
                (setter(c"srtp_crypto_policy_set_rtp_default"), setter(c"srtp_crypto_policy_set_rtcp_default"))
            }
            Suite::AesCm32 => (
                setter(c"srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32"),
                setter(c"srtp_crypto_policy_set_rtcp_default"),
            ),
            Suite::Gcm128 => {
                let both = setter(c"srtp_crypto_policy_set_aes_gcm_128_16_auth");
                (both, both)
            }
            Suite::Gcm256 => {
                let both = setter(c"srtp_crypto_policy_set_aes_gcm_256_16_auth");
                (both, both)
            }
        }
    }

    fn session(&self, suite: Suite, ssrc_type: c_uint, mki: Option<&[u8]>) -> Session<'_> {
        let (rtp, rtcp) = self.policy(suite);
        let mut key = key(suite).bytes().to_vec();
        let mut mki_id = mki.unwrap_or_default().to_vec();
        let mut master = Key { key: key.as_mut_ptr(), mki_id: mki_id.as_mut_ptr(), mki_size: mki_id.len() as c_uint };
        let mut keys = [&raw mut master];
        let policy = Policy {
            ssrc_type,
            ssrc: 0,
            rtp,
            rtcp,
            key: if mki.is_some() { null_mut() } else { key.as_mut_ptr() },
            keys: if mki.is_some() { keys.as_mut_ptr() } else { null_mut() },
            num_master_keys: c_ulong::from(mki.is_some()),
            deprecated_ekt: null_mut(),
            window_size: 64,
            allow_repeat_tx: 0,
            enc_xtn_hdr: null_mut(),
            enc_xtn_hdr_count: 0,
            next: null_mut(),
        };
        let mut context = null_mut();
        // SAFETY: the type is that of srtp.h; keys are copied before it returns.
        let create: Create = unsafe { std::mem::transmute(self.symbol(c"srtp_create")) };
        assert_eq!(unsafe { create(&raw mut context, &raw const policy) }, 0, "srtp_create {suite:?}");
        Session { library: self, context }
    }
}

/// One direction of libsrtp2. Lives as long as the test.
struct Session<'a> {
    library: &'a Library,
    context: *mut c_void,
}

impl Session<'_> {
    fn work(&mut self, name: &CStr, packet: &[u8]) -> Result<Vec<u8>, c_int> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 200, 0);
        let mut length = packet.len() as c_int;
        // SAFETY: all four have this type; the buffer has more room than SRTP_MAX_TRAILER_LEN.
        let work: Work = unsafe { std::mem::transmute(self.library.symbol(name)) };
        let status = unsafe { work(self.context, buffer.as_mut_ptr(), &raw mut length) };
        buffer.truncate(length as usize);
        if status == 0 { Ok(buffer) } else { Err(status) }
    }

    fn protect_mki(&mut self, name: &CStr, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 200, 0);
        let mut length = packet.len() as c_int;
        // SAFETY: as above.
        let work: WorkMki = unsafe { std::mem::transmute(self.library.symbol(name)) };
        assert_eq!(unsafe { work(self.context, buffer.as_mut_ptr(), &raw mut length, 1, 0) }, 0);
        buffer.truncate(length as usize);
        buffer
    }
}

fn key(suite: Suite) -> MasterKey {
    let length = suite.key_length() + suite.salt_length();
    let bytes: Vec<u8> = (0..length as u8).map(|n| n.wrapping_mul(37).wrapping_add(11)).collect();
    MasterKey::new(suite, &bytes).expect("the suite's length")
}

fn rtp(random: &mut fastrand::Rng, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 2, 3, 0xca, 0xfe, 0, 1]);
    if random.u8(..4) == 0 {
        packet[0] |= 0x12;
        packet.extend_from_slice(&[1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
    }
    let length = random.usize(..500);
    packet.extend(std::iter::repeat_with(|| random.u8(..)).take(length));
    packet
}

fn rtcp(random: &mut fastrand::Rng) -> Vec<u8> {
    let words = random.u8(1..40);
    let mut packet = vec![0x80, 200, 0, words, 0xca, 0xfe, 0, 1];
    packet.extend(std::iter::repeat_with(|| random.u8(..)).take(4 * usize::from(words) - 4));
    packet
}

fn ours(work: impl FnOnce(&mut [u8]) -> Option<usize>, packet: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + room, 0);
    let length = work(&mut buffer)?;
    buffer.truncate(length);
    Some(buffer)
}

/// One test, as the library is started once for the process.
#[test]
fn beside_libsrtp2() {
    let Some(library) = Library::open() else {
        eprintln!("SKIPPED: libsrtp2.so.1 is not installed (apt-get install libsrtp2-1); nothing was compared");
        return;
    };
    the_same_bytes_and_each_opens_the_others(&library);
    key_identifiers_are_stepped_over(&library);
}

fn the_same_bytes_and_each_opens_the_others(library: &Library) {
    let mut compared = 0;
    for suite in Suite::ALL {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut out, mut back) =
            (library.session(suite, ANY_OUTBOUND, None), library.session(suite, ANY_INBOUND, None));
        let (mut protector, mut unprotector) = (Protector::new(&key(suite)), Unprotector::new(&key(suite), None));
        // Over two turns of the sequence number, with losses: the rollover counter is part of every tag.
        let mut number = 65_000u32;
        while number < 3 * 65_536 {
            let plain = rtp(&mut random, number as u16);
            let theirs = out.work(c"srtp_protect", &plain).expect("protected");
            let sealed = ours(|buffer| protector.protect(buffer, plain.len()).ok(), &plain, 16).expect("protected");
            assert_eq!(sealed, theirs, "{suite:?} RTP {number}");
            assert_eq!(back.work(c"srtp_unprotect", &sealed), Ok(plain.clone()), "{suite:?} RTP {number}");
            let opened = ours(|packet| unprotector.unprotect(packet).ok(), &theirs, 0);
            assert_eq!(opened, Some(plain), "{suite:?} RTP {number}");
            // Both refuse what came before.
            assert!(back.work(c"srtp_unprotect", &sealed).is_err());
            assert_eq!(ours(|packet| unprotector.unprotect(packet).ok(), &theirs, 0), None);

            let plain = rtcp(&mut random);
            let theirs = out.work(c"srtp_protect_rtcp", &plain).expect("protected");
            let sealed =
                ours(|buffer| protector.protect_rtcp(buffer, plain.len()).ok(), &plain, 20).expect("protected");
            assert_eq!(sealed, theirs, "{suite:?} RTCP {number}");
            assert_eq!(back.work(c"srtp_unprotect_rtcp", &sealed), Ok(plain.clone()), "{suite:?} RTCP {number}");
            let opened = ours(|packet| unprotector.unprotect_rtcp(packet).ok(), &theirs, 0);
            assert_eq!(opened, Some(plain), "{suite:?} RTCP {number}");
            number += random.u32(1..60);
            compared += 2;
        }
    }
    eprintln!("libsrtp2: {compared} packets are the same to the byte, and opened both ways");
}

fn key_identifiers_are_stepped_over(library: &Library) {
    let mut random = fastrand::Rng::with_seed(2);
    for suite in Suite::ALL {
        let line = CryptoLine { tag: 1, key: key(suite), mki: None };
        let line = CryptoLine::parse(format!("{line}|2^20|258:4").as_bytes()).expect("a line");
        let mut out = library.session(suite, ANY_OUTBOUND, Some(&[0, 0, 1, 2]));
        let mut unprotector = Unprotector::new(&line.key, line.mki);
        for number in 0..20 {
            let plain = rtp(&mut random, number);
            let theirs = out.protect_mki(c"srtp_protect_mki", &plain);
            assert_eq!(ours(|packet| unprotector.unprotect(packet).ok(), &theirs, 0), Some(plain), "{suite:?}");
            let plain = rtcp(&mut random);
            let theirs = out.protect_mki(c"srtp_protect_rtcp_mki", &plain);
            assert_eq!(ours(|packet| unprotector.unprotect_rtcp(packet).ok(), &theirs, 0), Some(plain), "{suite:?}");
        }
    }
}
