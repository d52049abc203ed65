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
