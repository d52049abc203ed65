//! Session descriptions: no panic, and what is read prints and reads again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tingwa::wire::sdp;

fuzz_target!(|bytes: &[u8]| {
    let Ok(session) = sdp::parse(bytes) else { return };
    for media in &session.media {
        let _ = (media.rtpmaps().count(), media.fmtps().count(), media.ptime_ms(), media.maxptime_ms(), media.rtcp());
        let _ = (session.direction_of(media), session.connection_of(media).and_then(sdp::Connection::ip));
    }
    let printed = session.to_bytes();
    if printed.len() <= sdp::MAX_SDP_BYTES {
        assert_eq!(sdp::parse(&printed).as_ref(), Ok(&session));
    }
});
