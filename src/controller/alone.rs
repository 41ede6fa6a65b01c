//! Work whose panic ends nothing but itself.

use tokio::task::JoinSet;

/// Runs something as a task, which ends where it is no longer waited for. `None`: it panicked.
pub async fn alone<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    // The error would repeat what the panic was about; the hook has said where it was.
    task.join_next().await?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told(Option<tokio::sync::oneshot::Sender<()>>);

    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }

    #[tokio::test]
    async fn what_panics_ends_alone_and_what_is_not_waited_for_ends_too() {
        assert_eq!(alone(async { 1 }).await, Some(1));
        assert_eq!(alone(async { panic!("nobody should see this") }).await, None::<()>);
        let (ends, ended) = tokio::sync::oneshot::channel();
        let (begins, begun) = tokio::sync::oneshot::channel();
        let told = Told(Some(ends));
        let work = alone(async move {
            let _told = told;
            begins.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        tokio::select! {
            _ = work => unreachable!(),
            _ = begun => {}
        }
        ended.await.unwrap();
    }
}
