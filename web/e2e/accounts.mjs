// The account page and the pages of administrators: keys, sessions, webhooks, users, figures.
import assert from "node:assert/strict";
import { createServer } from "node:http";

/** Make a key and revoke it, end another login, and have a webhook hear of a test. */
export async function account(page, check, otherLogin) {
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("heading", { name: "Account", exact: true }).waitFor();
  await page.getByText("this device").waitFor();
  await page.getByLabel("What the key is for").fill("uploader");
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByText("never used").waitFor();
  await check("account");
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("never used").waitFor({ state: "detached" });
  const sessions = page.getByRole("region", { name: "Where you are signed in" });
  const before = await sessions.getByRole("listitem").count();
  await sessions.getByRole("button", { name: "Sign out" }).first().click();
  await page.waitForFunction((count) => document.querySelectorAll("[aria-labelledby=sessions] li").length < count, before);
  await otherLogin.reload();
  await otherLogin.getByRole("heading", { name: "Sign in" }).waitFor();
  await hearOfATest(page);
}

async function hearOfATest(page) {
  const heard = [];
  const receiver = createServer((request, answer) => {
    heard.push(request.headers["webhook-id"]);
    answer.end("thanks");
  });
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  await page.getByLabel("Address that hears of your jobs").fill(`http://127.0.0.1:${receiver.address().port}/hook`);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText(/^whsec_/).waitFor();
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("delivered", { exact: true }).waitFor();
  await page.getByText("thanks").waitFor();
  assert.equal(heard.length, 1);
  receiver.close();
  receiver.closeAllConnections();
}

export async function administration(page, check) {
  await page.getByRole("link", { name: "Administration" }).click();
  await page.getByRole("heading", { name: "Queue" }).waitFor();
  await page.getByText("database").waitFor();
  await check("admin-overview");
  await page.getByRole("tab", { name: "Jobs of all" }).click();
  await page.getByText("admin@localhost").first().waitFor();
  await check("admin-jobs");
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByLabel("Email address of a new user").fill("eve@example.org");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByText("Password of eve@example.org").waitFor();
  const eve = page.getByRole("listitem").filter({ hasText: "eve@example.org" });
  await eve.getByRole("button", { name: "Quotas" }).click();
  await page.getByRole("dialog").getByLabel("Stored gigabytes").fill("2.5");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await eve.getByText("of 2.5 GB stored").waitFor();
  await eve.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await eve.getByText("deleted", { exact: true }).waitFor();
  await check("admin-users");
  await eve.getByRole("button", { name: "Restore" }).click();
  await eve.getByText("deleted", { exact: true }).waitFor({ state: "detached" });
  await page.getByRole("tab", { name: "Audit log" }).click();
  await page.getByLabel("Only this action").fill("user.restore");
  await page.getByText("user.change").first().waitFor({ state: "detached" });
  await page.getByText("user.restore").first().waitFor();
  await check("admin-audit");
}
