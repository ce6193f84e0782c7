//! The simulation as a client meets it: over HTTP, held to Stripe's published shapes and habits.

#[cfg(test)]
mod client;
#[cfg(test)]
mod control;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod expanding;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod old_shape;
#[cfg(test)]
mod process;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod webhooks;
