//! The reference model: the base under an adapter, or, for methods that move it, the policy as it once was.

use hone_model::{Adapter, Network};

/// A policy as it once was, by the names of its parameters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    snapshot: Option<Vec<Vec<f32>>>,
}

impl Reference {
    /// The policy as it is now.
    pub(crate) fn of(network: &mut dyn Network) -> Reference {
        let values = network.parameters().into_iter().map(|parameter| parameter.values.to_vec()).collect();
        Reference { snapshot: Some(values) }
    }

    /// Values of parameters, in their order; `None` if one is missing.
    pub(crate) fn from_values(values: Option<Vec<Vec<f32>>>) -> Reference {
        Reference { snapshot: values }
    }

    /// The values of each parameter; none where the reference is the base.
    pub(crate) fn values(&self) -> &[Vec<f32>] {
        self.snapshot.as_deref().unwrap_or_default()
    }

    /// Runs something on the reference, and leaves the network as it was.
    pub(crate) fn run<T>(
        &self,
        network: &mut dyn Network,
        run: impl FnOnce(&mut dyn Network, Adapter) -> T,
    ) -> T {
        let Some(snapshot) = &self.snapshot else { return run(network, Adapter::Off) };
        let policy = Reference::of(network);
        set(network, snapshot);
        let result = run(network, Adapter::On);
        set(network, policy.values());
        result
    }
}

fn set(network: &mut dyn Network, values: &[Vec<f32>]) {
    for (parameter, values) in network.parameters().into_iter().zip(values) {
        parameter.values.copy_from_slice(values);
    }
    network.parameters_changed();
}
