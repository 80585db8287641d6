import { Tooltip } from "@base-ui/react/tooltip";
import { WebSocketProvider } from "@cossistant/react/websocket";
import { lazy, Suspense, useState } from "react";

import { OfflineBar } from "../connection/offline-bar.js";
import { ConnectionStatus } from "../connection/status.js";
import { useKept } from "../kept.js";
import { ListPane } from "../list/list-pane.js";
import { createRows } from "../list/rows.js";
import { Notifier } from "../notify/notifier.js";
import { TeamContext, useLoadedTeam } from "../people/members.js";
import { useOpenConversation } from "../route.js";
import { useSigned } from "../session/context.js";
import { settings } from "../settings/settings.js";
import { EventLogContext, useEventLog } from "../thread/events.js";
import { Thread } from "../thread/thread.js";
import { NothingOpen } from "../thread/thread-states.js";
import { FloatingPlace } from "../ui/floating.js";
import { later } from "../ui/later.js";
import { Toasts } from "../ui/toasts.js";
import { Boundary, ThreadBroken } from "./boundary.js";
import { MainMenu } from "./main-menu.js";
import { useShortcuts } from "./shortcuts.js";
import { useAccent } from "./use-accent.js";
import { Warmers } from "./warmers.js";

const SettingsDialog = later(async () => (await import("../settings/dialog.js")).SettingsDialog);
const HelpDialog = later(async () => (await import("./help.js")).HelpDialog);
const Devtools = lazy(async () => ({ default: (await import("@cossistant/react/devtools")).WebSocketDevtools }));

/** The inbox of somebody who is signed in, with their connection. */
export function Shell() {
  const { getToken, website } = useSigned();
  useAccent(website.accent);
  return (
    <WebSocketProvider config={{ getToken, persistQueue: true }}>
      <Tooltip.Provider delay={500}>
        <Panes key={website.id} />
      </Tooltip.Provider>
    </WebSocketProvider>
  );
}

type Window = "settings" | "help" | undefined;

function Panes() {
  const openId = useOpenConversation();
  const { website } = useSigned();
  const { hasPanel } = useKept(settings);
  const [rows] = useState(createRows);
  const [shown, show] = useState<Window>();
  const [hasDevtools, setDevtools] = useState(false);
  const team = useLoadedTeam();
  const log = useEventLog();
  useShortcuts({ "?": () => show("help"), D: () => setDevtools((has) => !has) });
  const close = (): void => show(undefined);

  const classes = ["shell", openId === undefined ? "no-thread" : "has-thread", hasPanel && openId !== undefined && "has-panel"];
  return (
    <TeamContext value={team}>
      <EventLogContext value={log}>
        <div className="page">
          <ConnectionStatus />
          <OfflineBar />
          <main className={classes.filter(Boolean).join(" ")}>
            <h1 className="hidden">{website.name}: inbox</h1>
            <div className="left-pane">
              <MainMenu onSettings={() => show("settings")} onHelp={() => show("help")} />
              <ListPane rows={rows} openId={openId} />
            </div>
            <Boundary key={openId} fallback={<ThreadBroken />}>
              {openId === undefined ? (
                <section className="thread-pane" aria-label="Conversation">
                  <NothingOpen />
                </section>
              ) : (
                <Thread conversationId={openId} rows={rows} />
              )}
            </Boundary>
            <FloatingPlace />
          </main>
        </div>
        <Notifier rows={rows} />
        <Warmers rows={rows} openId={openId} />
        <SettingsDialog isOpen={shown === "settings"} onClose={close} />
        <HelpDialog isOpen={shown === "help"} onClose={close} />
        <Toasts />
        {hasDevtools && (
          <Suspense fallback={null}>
            <Devtools initialIsOpen />
          </Suspense>
        )}
      </EventLogContext>
    </TeamContext>
  );
}
