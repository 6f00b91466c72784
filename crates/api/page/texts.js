// Every sentence of the page in both of its languages, side by side so that none is forgotten.
// A name in braces is filled in by language.js.

export const LANGUAGES = { en: "en", zh: "zh-CN" };

export const TEXTS = {
  title: { en: "Verify your phone number", zh: "验证手机号" },
  lead: { en: "We send you a code of six digits by SMS.", zh: "我们将通过短信发送 6 位验证码。" },
  language: { en: "Language", zh: "语言" },
  number: { en: "Phone number", zh: "手机号" },
  captcha: { en: "Characters in the picture", zh: "图片中的字符" },
  picture: {
    en: "Picture of the characters to type. “Listen” reads them out.",
    zh: "请输入图片中的字符；点击“收听”可听取语音。",
  },
  another: { en: "New picture", zh: "换一张" },
  listen: { en: "Listen", zh: "收听" },
  send: { en: "Get code", zh: "获取验证码" },
  sendWait: { en: "Again in {wait}", zh: "{wait}后可重新获取" },
  code: { en: "Code from the SMS", zh: "短信验证码" },
  check: { en: "Check code", zh: "验证" },
  advice: {
    en: "Keep the code to yourself: nobody of ours will ever ask you for it.",
    zh: "请勿将验证码告知他人，我们的工作人员不会向您索取。",
  },
  verified: { en: "Verified", zh: "验证成功" },
  verifiedNumber: { en: "{number} is yours.", zh: "{number} 已验证。" },
  restart: { en: "Verify another number", zh: "验证其他号码" },

  // What happened, where it concerns the field above it.
  codeSent: { en: "A code is on its way to {number}.", zh: "验证码已发送至 {number}。" },
  sendAgain: { en: "You can ask for a new code now.", zh: "现在可以重新获取验证码。" },

  // What is wrong, at the field that it is about.
  numberMissing: { en: "Enter your phone number.", zh: "请输入手机号。" },
  numberWrong: {
    en: "This is no mobile number of mainland China: 11 digits, the first is 1.",
    zh: "请输入正确的手机号：以 1 开头的 11 位数字。",
  },
  numberRefused: { en: "No code can be sent to this number.", zh: "该手机号不支持接收短信验证码。" },
  captchaMissing: { en: "Enter the characters in the picture.", zh: "请输入图片中的字符。" },
  captchaWrong: {
    en: "Those were not the characters, or the picture was too old. Here is a new one.",
    zh: "字符有误或图片已过期，已为您更换新图片。",
  },
  pictureFailed: {
    en: "The picture could not be loaded. Wait a moment, then try again with “New picture”.",
    zh: "图片加载失败，请稍后点击“换一张”重试。",
  },
  soundFailed: {
    en: "The sound could not be played. Try again with “New picture”.",
    zh: "语音播放失败，请点击“换一张”重试。",
  },
  codeMissing: { en: "Enter the code from the SMS.", zh: "请输入短信验证码。" },
  codeMalformed: { en: "The code has six digits.", zh: "验证码为 6 位数字。" },
  codeWrong: {
    en: "This code is wrong, too old or used up. Look again, or get a new one.",
    zh: "验证码错误或已失效，请核对或重新获取。",
  },
  sentTooOften: {
    en: "You have just asked for a code. Use the one that came, or wait for the countdown to end.",
    zh: "获取过于频繁，请使用已收到的验证码，或等待倒计时结束。",
  },
  guessedTooOften: {
    en: "Too many tries. Wait {wait}, then try again.",
    zh: "尝试次数过多，请 {wait}后再试。",
  },

  // What is wrong with the service, above the form.
  unavailable: {
    en: "The service cannot do this at the moment. Please try again soon.",
    zh: "服务暂时不可用，请稍后重试。",
  },
  sendUnavailable: {
    en: "The service cannot do this at the moment. If a code comes all the same, use it; else try again soon.",
    zh: "服务暂时不可用。如仍收到验证码，可直接使用；否则请稍后重试。",
  },
  unreachable: {
    en: "No answer came. Check your connection and try again.",
    zh: "网络无响应，请检查网络后重试。",
  },

  seconds: { en: "{count} s", zh: "{count} 秒" },
  minutes: { en: "{count} min", zh: "{count} 分钟" },
  hours: { en: "{count} h", zh: "{count} 小时" },
};
