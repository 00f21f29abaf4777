// A Probot app with one handler that does nothing, behind Node's own server: as fast as Probot goes.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Probot, createNodeMiddleware } from "probot";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

const probot = new Probot({ appId: 1, privateKey, secret: process.env.BENCH_SECRET, logLevel: "fatal" });
const middleware = await createNodeMiddleware((app) => app.on("pull_request", async () => {}), {
  probot,
  webhooksPath: "/webhooks",
});

const server = createServer((request, response) =>
  middleware(request, response, () => response.writeHead(404).end()),
);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
