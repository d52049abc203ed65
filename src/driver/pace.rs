//! Keeps a media thread punctual: real-time priority where the system allows it, and no timer slack.

/// Real-time priority asked for; above ordinary threads, below the kernel's own.
const PRIORITY: i32 = 10;

/// Asks for SCHED_FIFO and for timers without slack, for the thread that calls it. Returns false where real-time
/// priority was refused (needs CAP_SYS_NICE or LimitRTPRIO): the thread then paces as well as the load allows.
pub fn make_punctual() -> bool {
    // SAFETY: both calls change only the calling thread's own scheduling, and the parameter lives until they return.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1u64, 0, 0, 0);
        let parameter = libc::sched_param { sched_priority: PRIORITY };
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) == 0
    }
}

/// `SIOCGSTAMPNS` of linux/sockios.h, which libc does not name: when the packet that was read last had arrived.
const SIOCGSTAMPNS: libc::Ioctl = 0x8907;

/// When the kernel took in the packet that was last read from this socket, us since 1970. Nothing before the second one:
/// the first question is what makes the kernel write times down.
pub fn last_received_us(socket: &std::net::UdpSocket) -> Option<u64> {
    use std::os::fd::AsRawFd;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the descriptor is open as long as the socket is borrowed, and the kernel writes one timespec.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSTAMPNS, &raw mut time) };
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    (outcome == 0).then_some(seconds * 1_000_000 + nanoseconds / 1000)
}
