//! The name of every key, built in one place. No name holds a number, an address or a code: callers give hashes and ids.
//! Django's and Celery's keys are the exception, whose names are not ours to choose.

use super::Redis;

impl Redis {
    /// The key of the send times of a number or an address.
    pub fn throttle_key(&self, hash: &str) -> String {
        format!("{}:throttle:{hash}", self.prefix())
    }

    /// The key of a verification.
    pub fn verification_key(&self, id: &str) -> String {
        format!("{}:verification:{id}", self.prefix())
    }

    /// The key of the newest verification of a number and purpose.
    pub fn latest_key(&self, hash: &str) -> String {
        format!("{}:latest:{hash}", self.prefix())
    }

    /// The key of the send record of a task.
    pub fn send_key(&self, task: &str) -> String {
        format!("{}:send:{task}", self.prefix())
    }

    /// The key of a picture that waits for an answer.
    pub fn captcha_key(&self, id: &str) -> String {
        format!("{}:captcha:{id}", self.prefix())
    }

    /// The key of the list of all pictures that wait.
    pub fn captchas_key(&self) -> String {
        format!("{}:captchas", self.prefix())
    }

    /// The key under which Django reads the code of a number.
    pub fn django_code_key(mobile: &str) -> String {
        format!("sms_{mobile}")
    }

    /// The key that Django sets while a number must wait.
    pub fn django_flag_key(mobile: &str) -> String {
        format!("send_flag_{mobile}")
    }

    /// The key that Celery keeps a task's result under, which is also the channel that it is told on.
    pub fn result_key(task: &str) -> String {
        format!("celery-task-meta-{task}")
    }

    /// The key that Celery keeps a group under; with a suffix, one of those that its chord is joined by.
    pub fn group_key(group: &str, suffix: &str) -> String {
        format!("celery-taskset-meta-{group}{suffix}")
    }
}
