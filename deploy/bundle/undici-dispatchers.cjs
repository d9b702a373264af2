// The parts of undici that the client of the API server uses, without those that its entry loads beside them.
const Dispatcher = require('undici/lib/dispatcher/dispatcher')
const Agent = require('undici/lib/dispatcher/agent')
const ProxyAgent = require('undici/lib/dispatcher/proxy-agent')
const api = require('undici/lib/api')

// As the entry does it: `request` and its like are methods of every dispatcher.
Object.assign(Dispatcher.prototype, api)

module.exports = { Agent, ProxyAgent }
