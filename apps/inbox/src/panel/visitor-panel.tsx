import { BadgeCheck, X } from "lucide-react";
import type { ReactNode } from "react";

import { summaryOf } from "../list/line.js";
import { fullText, whenText } from "../list/when.js";
import { Avatar } from "../people/avatar.js";
import { useResource } from "../resource.js";
import { goTo, pathOf } from "../route.js";
import { useSigned } from "../session/context.js";
import { safeUrl } from "../shared.js";
import { useVisitor } from "./visitor.js";

/** A conversation in the list of earlier ones. */
interface Earlier {
  readonly conversationId: string;
  readonly status: string;
  readonly lastActivityAt: string;
  readonly lastMessage: Parameters<typeof summaryOf>[0] | null;
}

interface VisitorPanelProps {
  conversationId: string;
  visitorId: string;
  name: string;
  isOnline: boolean | undefined;
  onClose: () => void;
}

/** Who the visitor is, as far as is known. */
export function VisitorPanel({ conversationId, visitorId, name, isOnline, onClose }: VisitorPanelProps) {
  const { website } = useSigned();
  const { data: visitor, error, reload } = useVisitor(visitorId);
  const { identity, page, firstSeenAt, lastSeenAt } = visitor ?? {};
  const isVerified = identity?.externalId !== undefined;
  return (
    <section className="panel-pane" aria-label="Visitor">
      <button type="button" className="icon-button panel-close" aria-label="Hide who it is" onClick={onClose}>
        <X />
      </button>
      <div className="panel-person">
        <Avatar id={visitorId} name={name} size="large" isOnline={isOnline} />
        <h2 dir="auto">{name}</h2>
        {isVerified && (
          <p className="verified">
            <BadgeCheck aria-hidden /> Verified by your own server
          </p>
        )}
      </div>
      {error && !visitor ? (
        <div className="panel-failed">
          <p className="soft">Who this is could not be loaded.</p>
          <button type="button" className="button" onClick={reload}>
            Try again
          </button>
        </div>
      ) : (
        <dl className="facts">
          <Fact name="E-mail">{identity?.email && <bdi>{identity.email}</bdi>}</Fact>
          <Fact name="Customer id">{identity?.externalId && <bdi>{identity.externalId}</bdi>}</Fact>
          <Fact name="Website">
            <bdi>{website.name}</bdi>
          </Fact>
          <Fact name="Page">{page && <Page address={page} />}</Fact>
          <Fact name="First seen">{firstSeenAt && <time dateTime={firstSeenAt}>{fullText(firstSeenAt)}</time>}</Fact>
          <Fact name="Last seen">
            {isOnline ? "Now" : lastSeenAt && <time dateTime={lastSeenAt}>{fullText(lastSeenAt)}</time>}
          </Fact>
        </dl>
      )}
      <EarlierOnes visitorId={visitorId} conversationId={conversationId} />
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (!children) return null;
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** An address that a visitor's browser told: a link only if it is one of the web. */
function Page({ address }: { address: string }) {
  const href = safeUrl(address, ["https:", "http:"]);
  if (href === undefined) return <bdi>{address}</bdi>;
  const { host, pathname, search } = new URL(href);
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
      <bdi>{`${host}${pathname === "/" ? "" : pathname}${search}`}</bdi>
    </a>
  );
}

function EarlierOnes({ visitorId, conversationId }: Pick<VisitorPanelProps, "visitorId" | "conversationId">) {
  const query = new URLSearchParams({ visitorId, limit: "20" });
  const { data } = useResource<{ conversations: Earlier[] }>(`/v1/conversations?${query}`);
  const others = data?.conversations.filter((other) => other.conversationId !== conversationId) ?? [];
  if (others.length === 0) return null;
  return (
    <section className="earlier-ones">
      <h3>Other conversations</h3>
      <ul>
        {others.map(({ conversationId: id, status, lastActivityAt, lastMessage }) => (
          <li key={id}>
            <a
              href={pathOf(id)}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                goTo(id);
              }}
            >
              <bdi>{lastMessage ? summaryOf({ ...lastMessage, isDeleted: lastMessage.content === null }) : "No messages"}</bdi>
              <span className="soft small">
                {status} · {whenText(lastActivityAt, new Date())}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
