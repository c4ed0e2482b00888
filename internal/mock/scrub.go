package mock

const scrubbed = "[scrubbed]"

// secretHeaders carry credentials.
var secretHeaders = []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "Set-Cookie", "Proxy-Authorization"}
