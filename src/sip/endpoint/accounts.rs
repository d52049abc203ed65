//! Registrations at trunks.

use std::time::Instant;

use super::dialogs::own_address;
use super::tables::Owner;
use super::{Endpoint, Output, TimerKey};
use crate::sip::flow::Flow;
use crate::sip::registration::{Registration, RegistrationConfig, RegistrationInput, RegistrationOutput};

impl Endpoint {
    pub(super) fn add_registrations(&mut self, now: Instant) {
        for trunk in &self.config.trunks {
            let Some(account) = &trunk.account else { continue };
            let (Some(expires), Some(flow), Ok(address)) =
                (account.register, self.config.flow(trunk), own_address(trunk))
            else {
                continue;
            };
            let credentials = account.credentials.clone();
            let config = RegistrationConfig { flow, address, expires, credentials };
            let registration = Registration::new(now, config, &mut self.author);
            self.timers.set(TimerKey::Registration(self.registrations.len()), registration.deadline());
            self.registrations.push((trunk.name.clone(), registration));
        }
    }

    pub(super) fn remove_registrations(&mut self, now: Instant) {
        for place in 0..self.registrations.len() {
            self.run_registration(now, place, RegistrationInput::Remove);
        }
    }

    pub(super) fn registrations_disconnected(&mut self, now: Instant, flow: Flow) {
        for place in 0..self.registrations.len() {
            if self.registrations.get(place).is_some_and(|(_, registration)| registration.flow() == flow) {
                self.run_registration(now, place, RegistrationInput::Disconnected);
            }
        }
    }

    pub(super) fn registration_timeout(&mut self, now: Instant, place: usize) {
        self.run_registration(now, place, RegistrationInput::Timeout);
    }

    pub(super) fn run_registration(&mut self, now: Instant, place: usize, input: RegistrationInput<'_>) {
        let Some((trunk, registration)) = self.registrations.get_mut(place) else { return };
        let mut out = Vec::new();
        registration.handle(now, input, &mut self.author, &mut out);
        let (trunk, flow) = (trunk.clone(), registration.flow());
        self.timers.set(TimerKey::Registration(place), registration.deadline());
        for output in out {
            match output {
                RegistrationOutput::Ask(request) => {
                    self.start_client(now, flow, request, Owner::Registration(place));
                }
                RegistrationOutput::Tell(state) => {
                    self.out.push_back(Output::Registration { trunk: trunk.clone(), state });
                }
            }
        }
    }
}
