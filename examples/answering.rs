//! A minimal answering server on the SIP machine of tingwa: every INVITE is answered at once with a fixed session description, on
//! one thread; no audio, no journal. It shows how the sans-IO endpoint is driven, and is what `benches/load.sh` measures signalling with.
//!
//!     cargo run --release --example answering 127.0.0.1:5060

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tingwa::driver::sip_sockets::tls::{Tls, TlsFiles};
use tingwa::driver::sip_sockets::{EndpointSink, ORDER_QUEUE, SipSockets};
use tingwa::sip::endpoint::config::{EndpointConfig, Trunk};
use tingwa::sip::endpoint::{Endpoint, Output};
use tingwa::sip::event::{AddressedOrder, DialogOrder, SdpBody};
use tingwa::sip::flow::Transport;
use tingwa::sip::trunk::TrunkPolicy;
use tokio::sync::{mpsc, watch};

/// Answers whoever calls.
struct Answering {
    orders: mpsc::Sender<AddressedOrder>,
    sdp: SdpBody,
}

impl EndpointSink for Answering {
    fn take(&mut self, output: Output) {
        if let Output::Incoming(invite) = output {
            let order = DialogOrder::Answer { sdp: self.sdp.clone() };
            // Without room the caller is not answered, and asks again.
            let _ = self.orders.try_send(AddressedOrder { dialog: invite.dialog, order });
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the shell: it tells the machine the time")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args().nth(1).ok_or("usage: answering ADDRESS:PORT")?.parse()?;
    let ip = address.ip();
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n");
    let listen = vec![(Transport::Udp, address)];
    let everybody = Trunk {
        name: "everybody".to_owned(),
        address,
        transport: Transport::Udp,
        domain: ip.to_string(),
        allow: vec!["0.0.0.0/0".parse()?, "::/0".parse()?],
        trusted: false,
        account: None,
        callers: Vec::new(),
        policy: TrunkPolicy::default(),
    };
    let config = EndpointConfig { listen: listen.clone(), trunks: vec![everybody], ..EndpointConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::new(config, 1, Instant::now());
        let (orders, ordered) = mpsc::channel(ORDER_QUEUE);
        let (_stop, stopped) = watch::channel(false);
        let sink = Answering { orders, sdp: Arc::from(sdp.into_bytes()) };
        let tls = Tls::load(TlsFiles::default(), &[])?;
        SipSockets::bind(endpoint, &listen, tls, ordered, stopped, sink)?.run().await;
        Ok(())
    })
}
