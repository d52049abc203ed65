// A telephone in a page: SIP.js over WebSocket, told what to do by browser.py and telling it what happens.
import { Inviter, Registerer, SessionState, UserAgent } from "/sip.js/index.js";

const query = new URLSearchParams(location.search);
const name = query.get("name");
const tell = (event, more = {}) =>
  fetch(`/event?page=${name}`, { method: "POST", body: JSON.stringify({ event, ...more }) }).catch(() => {});
window.addEventListener("error", (e) => tell("error", { what: e.message }));
window.addEventListener("unhandledrejection", (e) => tell("error", { what: String(e.reason) }));

// Only the codec that this page is to speak, and keys.
const codec = query.get("codec");
const add = RTCPeerConnection.prototype.addTrack;
RTCPeerConnection.prototype.addTrack = function (...args) {
  const sender = add.apply(this, args);
  const transceiver = this.getTransceivers().find((one) => one.sender === sender);
  const wanted = [`audio/${codec}`, "audio/telephone-event"];
  const all = RTCRtpReceiver.getCapabilities("audio").codecs;
  transceiver.setCodecPreferences(all.filter((one) => wanted.includes(one.mimeType.toLowerCase())));
  return sender;
};

let session = null;
let peak = 0;

function listen(connection) {
  const stream = new MediaStream(connection.getReceivers().map((receiver) => receiver.track));
  document.getElementById("ear").srcObject = stream;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), peak);
  }, 20);
}

async function stats(connection) {
  const found = { peak };
  peak = 0;
  const report = await connection.getStats();
  report.forEach((one) => {
    if (one.type === "inbound-rtp") {
      Object.assign(found, { received: one.packetsReceived, lost: one.packetsLost, energy: one.totalAudioEnergy });
      found.codec = report.get(one.codecId)?.mimeType;
    } else if (one.type === "outbound-rtp") {
      found.sent = one.packetsSent;
    } else if (one.type === "transport") {
      Object.assign(found, { dtls: one.dtlsState, cipher: one.srtpCipher, version: one.tlsVersion, role: one.dtlsRole });
    }
  });
  tell("stats", found);
}

function watch(it) {
  session = it;
  const began = performance.now();
  it.stateChange.addListener((state) => {
    tell("state", { state });
    if (state !== SessionState.Established) return;
    const connection = it.sessionDescriptionHandler.peerConnection;
    const connected = () => {
      if (connection.connectionState === "connected") tell("connected", { ms: performance.now() - began });
    };
    connection.addEventListener("connectionstatechange", connected);
    connected();
    listen(connection);
    const timer = setInterval(() => (it.state === SessionState.Established ? stats(connection) : clearInterval(timer)), 500);
  });
}

const agent = new UserAgent({
  uri: UserAgent.makeURI(`sip:${query.get("user")}@tingwa.test`),
  transportOptions: { server: query.get("server") },
  logBuiltinEnabled: true,
  logLevel: "warn",
  sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] }, iceGatheringTimeout: 1000 },
  delegate: {
    onInvite(invitation) {
      watch(invitation);
      tell("ringing", { from: invitation.remoteIdentity.displayName ?? "" });
    },
  },
});

const media = { sessionDescriptionHandlerOptions: { constraints: { audio: true, video: false } } };
const commands = {
  register: () => new Registerer(agent).register(),
  call({ to }) {
    const inviter = new Inviter(agent, UserAgent.makeURI(to), media);
    watch(inviter);
    return inviter.invite();
  },
  answer: () => session.accept(media),
  keys: ({ keys }) => session.sessionDescriptionHandler.sendDtmf(keys, { duration: 120, interToneGap: 100 }),
  // Another user name fragment and password for the same call.
  restart: () => session.invite({ sessionDescriptionHandlerOptions: { offerOptions: { iceRestart: true } } }),
  hangup: () => session.bye(),
};

await agent.start();
tell("ready");
for (;;) {
  const answer = await fetch(`/command?page=${name}`);
  if (answer.status !== 200) continue;
  const command = await answer.json();
  try {
    await commands[command.do](command);
  } catch (error) {
    tell("error", { what: `${command.do}: ${error}` });
  }
}
