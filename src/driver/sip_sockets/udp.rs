//! SIP over UDP: one socket an address. A datagram that the kernel does not take is lost: the transaction repeats it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use socket2::Type;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::listen::bound;
use crate::sip::flow::{Flow, Transport};

/// Largest UDP datagram.
pub(super) const DATAGRAM: usize = 65_535;

/// A burst of INVITEs waits in the kernel rather than being lost.
const KERNEL_BUFFER: usize = 4 << 20;

/// All of them.
#[derive(Default)]
pub(super) struct UdpSockets(Vec<(SocketAddr, UdpSocket)>);

impl UdpSockets {
    pub(super) fn bind(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = bound(Type::DGRAM, address)?;
        // A smaller buffer still works.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
        let socket = UdpSocket::from_std(socket.into())?;
        self.0.push((socket.local_addr().unwrap_or(address), socket));
        Ok(())
    }

    pub(super) fn send(&self, flow: Flow, bytes: &[u8]) {
        let socket = self.0.iter().find(|(local, _)| *local == flow.local).or(self.0.first());
        if let Some((_, socket)) = socket
            && let Err(error) = socket.try_send_to(bytes, flow.remote)
        {
            tracing::debug!(remote = %flow.remote, %error, "SIP datagram not sent");
        }
    }

    pub(super) async fn receive(&self, datagram: &mut [u8]) -> (Flow, usize) {
        poll_fn(|context| {
            for (local, socket) in &self.0 {
                let mut buffer = ReadBuf::new(datagram);
                while let Poll::Ready(received) = socket.poll_recv_from(context, &mut buffer) {
                    // An error here is an ICMP answer to something that we sent; the transaction notices by itself.
                    let Ok(remote) = received else { continue };
                    let flow = Flow { transport: Transport::Udp, local: *local, remote };
                    return Poll::Ready((flow, buffer.filled().len()));
                }
            }
            Poll::Pending
        })
        .await
    }
}
