//! The gRPC face of notices.

use std::pin::Pin;

use codepop_proto::notifications::{self as pb, notifications_service_server::NotificationsService};
use codepop_shared::Failure;
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, async_trait, metadata::MetadataMap};

use super::{
    Error, Feed, KIND_MAX, MESSAGE_MAX, Notice, To,
    operations::{self, ALWAYS, Reader, Texts},
    period::{self, End},
    watch::{Check, Watch},
};
use crate::{
    accounts,
    app::{
        App,
        edge::{Problems, timestamp},
        once::Once,
    },
    auth::Actor,
};

/// Serves `NotificationsService`.
pub struct NotificationsRpc {
    app: App,
    feed: Feed,
}

impl NotificationsRpc {
    /// The service.
    pub fn new(app: App, feed: Feed) -> Self {
        Self { app, feed }
    }

    fn reader<T>(&self, request: &Request<T>) -> Result<(Actor, Reader), Failure> {
        let actor = Actor::of(request)?;
        let reader = Reader::of(&actor, &self.app.author().id)?;
        Ok((actor, reader))
    }

    async fn list(&self, reader: Reader, range: operations::Range) -> Result<Vec<pb::Notification>, Failure> {
        let found = self.app.read(move |tx| Box::pin(async move { operations::list(tx, &reader, range).await })).await;
        Ok(found.map_err(Error::from)?.into_iter().map(|notice| view(&notice)).collect())
    }

    /// Looks whether the session with which a stream began goes on.
    fn check(&self, actor: Actor, token: String) -> Check {
        let app = self.app.clone();
        Box::new(move || {
            let (app, token, mut actor) = (app.clone(), token.clone(), actor.clone());
            Box::pin(async move {
                actor.user = accounts::authenticate(&app, &token).await?.user;
                Reader::of(&actor, &app.author().id)
            })
        })
    }
}

#[async_trait]
impl NotificationsService for NotificationsRpc {
    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::ListNotificationsResponse>, Status> {
        let (actor, reader) = self.reader(&request)?;
        if let Some(user) = request.into_inner().user_id {
            actor.user_is(user)?;
        }
        let notifications = self.list(reader, ALWAYS).await?;
        Ok(Response::new(pb::ListNotificationsResponse { notifications }))
    }

    async fn filter_notifications(
        &self,
        request: Request<pb::FilterNotificationsRequest>,
    ) -> Result<Response<pb::FilterNotificationsResponse>, Status> {
        let (_, reader) = self.reader(&request)?;
        let notifications = self.list(reader, range(&request.into_inner())?).await?;
        Ok(Response::new(pb::FilterNotificationsResponse { notifications }))
    }

    async fn create_notification(
        &self,
        request: Request<pb::CreateNotificationRequest>,
    ) -> Result<Response<pb::CreateNotificationResponse>, Status> {
        let (actor, reader) = self.reader(&request)?;
        let once = Once::of(&request, "CreateNotification")?;
        let (to, texts) = new_notice(request.into_inner(), reader.user)?;
        let permit = actor.public();
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move {
                if let Some(once) = &once
                    && let Some(answer) = once.answered(tx).await.map_err(Failure::from)?
                {
                    return Ok(answer);
                }
                let notice = operations::create(tx, &reader, to, texts).await?;
                let answer = pb::CreateNotificationResponse { notification: Some(view(&notice)) };
                if let Some(once) = &once {
                    once.keep(tx, &answer).await?;
                }
                Ok::<_, Error>(answer)
            })
        });
        Ok(Response::new(written.await.map_err(Failure::from)?))
    }

    async fn get_notification(
        &self,
        request: Request<pb::GetNotificationRequest>,
    ) -> Result<Response<pb::GetNotificationResponse>, Status> {
        let (_, reader) = self.reader(&request)?;
        let id = request.into_inner().notification_id;
        let found = self.app.read(move |tx| Box::pin(async move { operations::get(tx, &reader, id).await })).await;
        let notification = Some(view(&found.map_err(Failure::from)?));
        Ok(Response::new(pb::GetNotificationResponse { notification }))
    }

    async fn update_notification(
        &self,
        request: Request<pb::UpdateNotificationRequest>,
    ) -> Result<Response<pb::UpdateNotificationResponse>, Status> {
        let (actor, reader) = self.reader(&request)?;
        let pb::UpdateNotificationRequest { notification_id: id, message, r#type } = request.into_inner();
        let mut problems = Problems::default();
        let message = message.and_then(|text| problems.check("Message", allowed(&text, MESSAGE_MAX)));
        let kind = r#type.and_then(|text| problems.check("Type", allowed(&text, KIND_MAX)));
        problems.finish()?;
        let permit = actor.public();
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move { operations::update(tx, &reader, id, kind, message).await })
        });
        let notification = Some(view(&written.await.map_err(Failure::from)?));
        Ok(Response::new(pb::UpdateNotificationResponse { notification }))
    }

    async fn delete_notification(
        &self,
        request: Request<pb::DeleteNotificationRequest>,
    ) -> Result<Response<pb::DeleteNotificationResponse>, Status> {
        let (actor, reader) = self.reader(&request)?;
        let id = request.into_inner().notification_id;
        let permit = actor.public();
        let written =
            self.app.write(&permit, move |tx| Box::pin(async move { operations::delete(tx, &reader, id).await }));
        written.await.map_err(Failure::from)?;
        Ok(Response::new(pb::DeleteNotificationResponse {}))
    }

    type WatchNotificationsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchNotificationsResponse, Status>> + Send>>;

    async fn watch_notifications(
        &self,
        request: Request<pb::WatchNotificationsRequest>,
    ) -> Result<Response<Self::WatchNotificationsStream>, Status> {
        let (actor, reader) = self.reader(&request)?;
        let (feed, listening) = self.feed.listen(reader.user)?;
        let check = self.check(actor, token(request.metadata()));
        let watch = Watch { reader, feed, listening, check, stop: self.feed.stop.clone() };
        let stream = watch.stream().map(|said| {
            let notice = said?;
            Ok(pb::WatchNotificationsResponse { notification: Some(view(&notice)) })
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// The token with which the session was shown: the header's, or that of the cookie, which the gateway hands on apart. An
/// empty one is nobody's.
fn token(metadata: &MetadataMap) -> String {
    let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
    let shown = text("authorization").and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim());
    shown.or_else(|| text("x-codepop-session")).unwrap_or_default().to_owned()
}

fn view(notice: &Notice) -> pb::Notification {
    pb::Notification {
        notification_id: notice.id,
        message: notice.message.clone(),
        timestamp: Some(timestamp(notice.at)),
        r#type: notice.kind.clone(),
        global: matches!(notice.to, Some(To::Everybody) | None),
        user_id: match notice.to {
            Some(To::User(user)) => Some(user),
            _ => notice.author,
        },
    }
}

/// A text of a notice; line breaks may be in it.
fn allowed(text: &str, max: usize) -> Result<String, String> {
    let text = text.trim();
    let sound = text.chars().all(|char| !char.is_control() || char == '\n');
    if sound && (1..=max).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {max} printable characters"))
    }
}

fn new_notice(request: pb::CreateNotificationRequest, user: i64) -> Result<(To, Texts), Failure> {
    let mut problems = Problems::default();
    let message = problems.check("Message", allowed(&request.message, MESSAGE_MAX));
    let kind = problems.check("Type", allowed(&request.r#type, KIND_MAX));
    problems.finish()?;
    let to = match (request.global, request.user_id) {
        (Some(true), _) => To::Everybody,
        (_, Some(other)) => To::User(other),
        (_, None) => To::User(user),
    };
    // `finish` has named what is missing.
    Ok((to, Texts { kind: kind.unwrap_or_default(), message: message.unwrap_or_default() }))
}

fn range(request: &pb::FilterNotificationsRequest) -> Result<operations::Range, Failure> {
    let mut problems = Problems::default();
    let start = problems.check("start", period::parse(&request.start, End::Start));
    let end = problems.check("end", period::parse(&request.end, End::End));
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        problems.add("end", "must not be before start");
    }
    problems.finish()?;
    Ok(start.zip(end).unwrap_or(ALWAYS))
}
