//! Registrations at trunks: which address of the trunk each goes by. One that says nothing in the try time is given up where there is another.

use std::time::Instant;

use super::tables::Owner;
use super::trunks::own_address;
use super::{Admission, Endpoint, Output, TimerKey};
use crate::sip::flow::Flow;
use crate::sip::registration::{Registration, RegistrationConfig, RegistrationInput, RegistrationOutput};
use crate::sip::transaction::ClientId;

/// A registration and its trunk's place.
pub(super) struct Registrant {
    pub(super) trunk: usize,
    pub(super) registration: Registration,
    /// The transaction of a REGISTER without any answer.
    asking: Option<ClientId>,
}

impl Endpoint {
    /// Registers at a trunk that is known to be somewhere, if it wants that and has not been.
    pub(super) fn add_registration(&mut self, now: Instant, trunk: usize) {
        if self.admission == Admission::Draining || self.registrations.iter().any(|one| one.trunk == trunk) {
            return;
        }
        let Some(flow) = self.way(now, trunk) else { return };
        let Some(trunk_config) = self.config.trunks.get(trunk) else { return };
        let Some(account) = &trunk_config.account else { return };
        let (Some(expires), Ok(address)) = (account.register, own_address(trunk_config)) else { return };
        let credentials = account.credentials.clone();
        let proxy = trunk_config.policy.proxy.clone();
        let config = RegistrationConfig { flow, address, expires, credentials, proxy };
        let registration = Registration::new(now, config, &mut self.author);
        self.timers.set(TimerKey::Registration(self.registrations.len()), registration.deadline());
        self.registrations.push(Registrant { trunk, registration, asking: None });
    }

    pub(super) fn remove_registrations(&mut self, now: Instant) {
        for place in 0..self.registrations.len() {
            self.run_registration(now, place, RegistrationInput::Remove);
        }
    }

    pub(super) fn registrations_disconnected(&mut self, now: Instant, flow: Flow) {
        for place in 0..self.registrations.len() {
            if self.registrations.get(place).is_some_and(|one| one.registration.flow() == flow) {
                self.run_registration(now, place, RegistrationInput::Disconnected);
            }
        }
    }

    pub(super) fn registration_timeout(&mut self, now: Instant, place: usize) {
        let Some(one) = self.registrations.get_mut(place) else { return };
        let (trunk, flow, silent) = (one.trunk, one.registration.flow(), one.asking.take());
        if let Some(client) = silent {
            self.forget_client(now, client);
            self.trunk_failed(now, trunk, flow);
            self.run_registration(now, place, RegistrationInput::NoAnswer(408));
            return;
        }
        // It stays with the server that it has while that one is up.
        let is_up = self.trunks.states.get(trunk).is_some_and(|state| state.is_up(now, flow.remote));
        let way = if is_up { None } else { self.way(now, trunk) };
        if let (Some(flow), Some(one)) = (way, self.registrations.get_mut(place)) {
            one.registration.goes_by(flow);
        }
        self.run_registration(now, place, RegistrationInput::Timeout);
    }

    pub(super) fn run_registration(&mut self, now: Instant, place: usize, input: RegistrationInput<'_>) {
        let Some(one) = self.registrations.get_mut(place) else { return };
        if matches!(input, RegistrationInput::Response(_) | RegistrationInput::NoAnswer(_)) {
            one.asking = None;
        }
        let mut out = Vec::new();
        one.registration.handle(now, input, &mut self.author, &mut out);
        let (trunk, flow) = (one.trunk, one.registration.flow());
        let waits = one.asking.is_some() && one.registration.deadline().is_none();
        if !waits {
            self.timers.set(TimerKey::Registration(place), one.registration.deadline());
        }
        for output in out {
            match output {
                RegistrationOutput::Ask(request) => {
                    let client = self.start_client(now, flow, request, Owner::Registration(place));
                    self.await_registrar(now, place, client);
                }
                RegistrationOutput::Tell(state) => {
                    let name = self.config.trunks.get(trunk).map(|trunk| trunk.name.clone()).unwrap_or_default();
                    self.out.push_back(Output::Registration { trunk: name, state });
                }
            }
        }
    }

    /// A trunk with another address that is up need not be waited for as long as RFC 3261 has it.
    fn await_registrar(&mut self, now: Instant, place: usize, client: ClientId) {
        let Some(one) = self.registrations.get_mut(place) else { return };
        let (flow, state) = (one.registration.flow(), self.trunks.states.get(one.trunk));
        if state.is_some_and(|state| state.has_another(now, flow.remote)) {
            one.asking = Some(client);
            self.timers.set(TimerKey::Registration(place), Some(now + self.config.try_time));
        }
    }
}
