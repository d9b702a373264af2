// Stands for the form data of fetch. `webidl` is asked about every body that is an object; no body here is form data.
module.exports = {
  webidl: { is: { FormData: () => false } },
  extractBody() {
    throw new Error('the bundle of a function sends no form data')
  },
}
