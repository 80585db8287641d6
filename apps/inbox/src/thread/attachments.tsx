import type { Attachment } from "@cossistant/react/websocket";
import { File, Image as ImageIcon, ImageOff } from "lucide-react";
import { useState } from "react";

import { useKept } from "../kept.js";
import { settings } from "../settings/settings.js";
import { attachmentUrl, isImage, sizeText } from "../shared.js";

/** Those that somebody wished to see; they stay so when they are scrolled out of the document and back. */
const wanted = new WeakSet<Attachment>();

/** Files and images of a message. `isTrusted`: of the team's own, whose pictures are shown without asking. */
export function Attachments({ list, isTrusted }: { list: readonly Attachment[]; isTrusted: boolean }) {
  return (
    <ul className="attachments">
      {list.map((attachment, index) => (
        <li key={`${attachment.id} ${index}`}>
          <Shown attachment={attachment} isTrusted={isTrusted} />
        </li>
      ))}
    </ul>
  );
}

function Shown({ attachment, isTrusted }: { attachment: Attachment; isTrusted: boolean }) {
  const { loadsImages } = useKept(settings);
  const [isWanted, want] = useState(() => wanted.has(attachment));
  const [isBroken, setBroken] = useState(false);
  const href = attachmentUrl(attachment.url);
  if (href === undefined) return <Card attachment={attachment} />;
  if (!isImage(attachment)) return <Card attachment={attachment} href={href} />;
  if (isBroken) return <Card attachment={attachment} href={href} isBroken />;
  if (!isTrusted && !loadsImages && !isWanted) {
    const show = (): void => {
      wanted.add(attachment);
      want(true);
    };
    return <Card attachment={attachment} href={href} onShow={show} />;
  }
  return (
    <a className="picture" href={href} target="_blank" rel="noopener noreferrer nofollow">
      <img src={href} alt={attachment.name} loading="lazy" decoding="async" referrerPolicy="no-referrer" onError={() => setBroken(true)} />
    </a>
  );
}

interface CardProps {
  attachment: Attachment;
  /** Where it leads; without, to nowhere that is safe. */
  href?: string;
  isBroken?: boolean;
  /** Shows the picture in place. */
  onShow?: () => void;
}

function Card({ attachment, href, isBroken = false, onShow }: CardProps) {
  const { name, size } = attachment;
  const Icon = isBroken ? ImageOff : isImage(attachment) ? ImageIcon : File;
  const host = href === undefined ? "address not shown" : new URL(href).host;
  const about = [host, size !== undefined && sizeText(size, navigator.language)].filter(Boolean).join(" · ");
  const label = (
    <span className="file-text">
      <bdi className="file-name">{name || "Attachment"}</bdi>
      <span className="file-about">{about}</span>
    </span>
  );
  return (
    <div className="file">
      <Icon aria-hidden />
      {href === undefined ? (
        label
      ) : (
        <a href={href} target="_blank" rel="noopener noreferrer nofollow">
          {label}
        </a>
      )}
      {onShow && (
        <button type="button" className="button small" onClick={onShow} aria-label={`Show ${name || "the picture"}`}>
          Show
        </button>
      )}
    </div>
  );
}
