// The host's mailbox: the newest mail as it was sent, in a frame that may do nothing but open its
// links elsewhere.

import { HOST } from "./demo-api.js";

// A mail's page is there as soon as the delivery says so; a mail server's may take a moment.
const LOOKS = 10;
const AGAIN_MS = 300;

export async function showMail() {
  const mail = await newest();
  const what = document.getElementById("mail-what");
  const frame = document.getElementById("mail-frame");
  document.getElementById("mail").hidden = false;
  frame.hidden = !mail;
  if (!mail) {
    what.textContent = "The mail is on its way by the mail server, and not shown here.";
    return;
  }
  what.textContent = `To ${mail.to}: ${mail.subject}`;
  frame.src = mail.url;
}

async function newest() {
  const path = `/dev/mails?${new URLSearchParams({ to: HOST.email })}`;
  const before = document.getElementById("mail-frame").getAttribute("src");
  for (let look = 0; look < LOOKS; look += 1) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`the mails could not be read: ${answer.status}`);
    const [mail] = (await answer.json()).items;
    if (mail && mail.url !== before) return mail;
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
  return null;
}
