//! The client against a scripted Stripe on this machine: what goes over the wire, in both
//! directions, and what is made of it.

#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod logged;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod trouble;
