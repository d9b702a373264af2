// Stands for a module that is loaded where another one cannot be used, which does not happen on Lambda.
module.exports = class NotBundled {
  constructor() {
    throw new Error('the bundle of a function lacks this module')
  }
}
