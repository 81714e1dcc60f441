//! Handing the server's orders to the runner: starts at once, answers and interrupts in the order
//! they came, everything else side by side.

use afield_client::Order;
use afield_runner::RunnerHandle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Orders that are carried out side by side. More wait: the server is not trusted to be modest.
const ORDERS_MAX: usize = 256;
/// Answers and interrupts that wait for the one before them.
const LANE_MAX: usize = 256;

/// The orders of one connection. Dropped, those that are not done are given up: nobody would
/// receive the reply.
pub(super) struct Orders {
    handle: RunnerHandle,
    lane: mpsc::Sender<Order>,
    tasks: JoinSet<()>,
}

impl Orders {
    pub(super) fn new(handle: RunnerHandle) -> Self {
        let (lane, orders) = mpsc::channel(LANE_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(in_order(handle.clone(), orders));
        Self { handle, lane, tasks }
    }

    /// Takes the next order.
    pub(super) async fn take(&mut self, order: Order) {
        match order.name.as_str() {
            // Never waits, and what is said about the attempt later must find it.
            "runner_execute" => carry_out(&self.handle, order).await,
            // The lane ends with this value only.
            "runner_answer" | "runner_interrupt" => drop(self.lane.send(order).await),
            _ => {
                while self.tasks.try_join_next().is_some() {}
                if self.tasks.len() > ORDERS_MAX {
                    self.tasks.join_next().await;
                }
                let handle = self.handle.clone();
                self.tasks.spawn(async move { carry_out(&handle, order).await });
            }
        }
    }
}

async fn in_order(handle: RunnerHandle, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        carry_out(&handle, order).await;
    }
}

async fn carry_out(handle: &RunnerHandle, order: Order) {
    let Order { name, data, responder, .. } = order;
    if let Some(reply) = handle.order(&name, &data).await
        && responder.wanted()
        && !responder.reply(reply).await
    {
        tracing::debug!(order = name, "the connection ended before the reply");
    }
}
