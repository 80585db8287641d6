// @vitest-environment node
/** On a server the widget is an empty element, and touches nothing of a browser. */

import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";

import { MessageBody, SupportProvider, SupportWidget, useSupport } from "../../src/widget/index.js";

test("the widget renders an empty element", () => {
  expect(renderToString(<SupportWidget publicKey="pk_dev" color="#0f766e" />)).toBe("<cossistant-widget></cossistant-widget>");
});

test("parts of one's own wait for the browser, and say so when they have no provider", () => {
  const Part = () => <p>{useSupport().unreadCount}</p>;
  expect(renderToString(<SupportProvider options={{ publicKey: "pk_dev" }} children={<Part />} />)).toBe("");
  expect(() => renderToString(<Part />)).toThrow("<SupportProvider>");
});

test("a message is shown without a browser, and nothing in it is markup", () => {
  const texts = { newTab: "new tab", image: (name: string) => `Picture: ${name}` };
  const show = (content: object) => renderToString(<MessageBody content={content} texts={texts} language="en" />);
  expect(show({ text: "<b>a</b> https://x.y/" })).toContain("&lt;b&gt;a&lt;/b&gt; <a href=\"https://x.y/\"");
  expect(show({ html: "<b onclick=alert(1)>a</b><script>1</script>" })).toContain("<b>a</b>");
  expect(show({ html: "<b onclick=alert(1)>a</b><script>1</script>" })).not.toMatch(/onclick|script/);
  const attachment = (url: string) => show({ attachments: [{ id: "1", url, type: "image/png", name: "x" }] });
  expect(attachment("javascript:alert(1)")).not.toContain("javascript");
  expect(attachment("https://x.y/z.png")).toContain('src="https://x.y/z.png"');
});
