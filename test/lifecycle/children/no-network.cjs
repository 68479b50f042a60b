// Loaded before everything else: whoever asks the network fails, and is told of.
const refuse = (what) => () => {
  process.stderr.write(`asked the network: ${what}\n`)
  throw new Error(`no network: ${what}`)
}
const net = require('node:net')
net.Socket.prototype.connect = refuse('net')
const dns = require('node:dns')
for (const name of Object.keys(dns)) if (/^(lookup|resolve)/.test(name)) dns[name] = refuse(`dns.${name}`)
for (const name of Object.keys(dns.promises))
  if (/^(lookup|resolve)/.test(name)) dns.promises[name] = refuse(`dns.promises.${name}`)
globalThis.fetch = refuse('fetch')
